"""Read Label Studio's flat exports (CSV, TSV, JSON_MIN): one record per annotation, answers under the controls' names.

They hold less than a JSON export: no skipped annotations, no pre-labels, no ground truth; and the label config of the
project must say which columns are answers.

Label Studio names columns after both controls and fields, so two may have the same name. In tables, a field with the
name of a control is called `_data_NAME` as soon as somebody has answered the control. In JSON_MIN, an answer replaces
such a field, but only in its own record. Therefore the whole file is read first.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from ...domain.annotation import Annotation, Region, Task
from ...domain.label_config import Control, LabelConfig
from ...errors import PayloadError, StudioExportError
from ...tasks.objects import find_objects
from ..json_stream import NotJson, json_decoder
from .flat_file import FlatFile
from .notes import FileNotes
from .values import given_id, given_seconds, given_text, shown_names

__all__ = ["read_flat_export"]

TASK_ID, ANNOTATION_ID = "id", "annotation_id"
WRITTEN_LAST = ("annotator", ANNOTATION_ID, "created_at", "updated_at", "lead_time")
"""The last keys of every JSON_MIN record, except for the agreement, where nobody has changed the order."""
WRITTEN_OVER = frozenset(WRITTEN_LAST)
"""Columns that every flat export has; a field or control with such a name is missing from the file."""
ABOUT = WRITTEN_OVER | {TASK_ID, "agreement", "history"}
RENAMED = "_data_"
LISTS = frozenset({"Paragraphs", "List"})
"""Objects whose fields hold lists, which tables hold as JSON."""
PLAIN_KEYS = {"choices": "choices", "textarea": "text"}
"""For each type of region, the key of the value that Label Studio writes as a plain cell where it is the only one."""


def read_flat_export(path: Path, config: LabelConfig, notes: FileNotes | None = None) -> Iterator[Task]:
    """Yield every task with its annotations, in constant memory. Records of one task must be next to each other.

    The file is read twice, since only all records together show what its columns hold. Where the file has no ids of
    tasks, a task's id is the number of its first record, from 1. A task that nobody annotated has no annotation.

    Raises:
        StudioExportError: the file cannot be read, or is no such export; no column is a control of the config; or a
            field that the config shows is not in the file.
    """
    notes = notes or FileNotes()
    file = FlatFile(path)
    columns = _find_columns(file, config)
    notes.hidden_answers.update(columns.hidden)
    reader = _Reader(file, config, columns, notes)
    records: list[tuple[int, Mapping[str, Any]]] = []
    for numbered in enumerate(file.records(notes), start=1):
        if records and not columns.are_of_one_task(records[-1][1], numbered[1]):
            yield reader.task(records)
            records = []
        records.append(numbered)
    if records:
        yield reader.task(records)


class _Reader:
    """Makes tasks from records, given the roles of the columns."""

    def __init__(self, file: FlatFile, config: LabelConfig, columns: "_Columns", notes: FileNotes) -> None:
        self._file, self._controls, self._columns, self._notes = file, config.controls, columns, notes
        self._decode = json_decoder(notes)

    def task(self, records: list[tuple[int, Mapping[str, Any]]]) -> Task:
        """Return the task that records describe, each given with its number in the file."""
        number, first = records[0]
        task_id = given_id(first[TASK_ID]) if self._columns.has_ids else None
        if task_id is None:
            self._notes.numbered_tasks += 1
        annotated = [(number, record) for number, record in records if self._columns.is_annotated(record)]
        return Task(
            number if task_id is None else task_id,
            self._data(number, first),
            tuple(self._annotation(number, record) for number, record in annotated),
        )

    def _data(self, number: int, record: Mapping[str, Any]) -> dict[str, Any]:
        data = {field: record[column] for column, field in self._columns.data.items() if column in record}
        for name in self._columns.structured & data.keys():
            with self._named(number, name):
                data[name] = _unpack(data[name], self._decode)
        return data

    def _annotation(self, number: int, record: Mapping[str, Any]) -> Annotation:
        annotation_id = given_id(record.get(ANNOTATION_ID))
        if annotation_id is None:
            self._notes.numbered_annotations += 1
            annotation_id = self._columns.largest_annotation_id + number
        annotator = record.get("annotator")
        whole = given_id(annotator)
        return Annotation(
            id=annotation_id,
            annotator=given_text(annotator if whole is None else whole) or Annotation.UNKNOWN_ANNOTATOR,
            result=tuple(self._regions(number, record)),
            lead_time_s=given_seconds(record.get("lead_time")),
            created_at=given_text(record.get("created_at")),
            updated_at=given_text(record.get("updated_at")),
        )

    def _regions(self, number: int, record: Mapping[str, Any]) -> Iterator[Region]:
        for control in self._controls:
            if control.name in self._columns.hidden:
                # It cannot be read: it marks an answer that is not in the file, so that none counts as empty.
                yield _region(control, None)
            elif (cell := self._columns.answer(record, control.name)) is not None:
                with self._named(number, control.name):
                    yield from _regions_of(control, cell, self._decode if self._file.is_table else None)

    @contextmanager
    def _named(self, number: int, column: str) -> Iterator[None]:
        try:
            yield
        except PayloadError as error:
            raise StudioExportError(
                f"{self._file.path}, record {number}, column {column!r}: {error}; correct the cell, or export the "
                "project as JSON"
            ) from None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The roles of a file's columns, the same for all records.

    Attributes:
        data: the field of the tasks' data that a column holds, by the column.
        structured: columns of `data` whose cells hold JSON: a list, or what the config shows a part of (`$doc.text`).
        answers: names of the controls whose answers are in the column of the same name.
        mixed: names in `answers` whose column also holds a field; the form of a cell shows which it is.
        hidden: why the file does not show the answers to a control, as a clause that follows its name.
        has_ids: the column `id` holds the ids of the tasks.
        tells_annotations: the file has a column `annotation_id`, which is empty in a record without an annotation.
        largest_annotation_id: in the whole file; 0 where there is none.
    """

    data: Mapping[str, str]
    structured: Set[str]
    answers: Set[str]
    mixed: Set[str]
    hidden: Mapping[str, str]
    has_ids: bool
    tells_annotations: bool
    largest_annotation_id: int

    def is_annotated(self, record: Mapping[str, Any]) -> bool:
        """True where the record is about an annotation, and not only about a task."""
        if self.tells_annotations:
            return not _is_empty(record.get(ANNOTATION_ID))
        return any(self.answer(record, name) is not None for name in self.answers)

    def answer(self, record: Mapping[str, Any], control: str) -> object:
        """Return the cell with a record's answer to a control; None where there is none."""
        cell = record.get(control) if control in self.answers else None
        return None if _is_empty(cell) or (control in self.mixed and not _are_regions(cell)) else cell

    def are_of_one_task(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """True where two records that follow each other are about the same task."""
        if self.has_ids:
            return given_id(one[TASK_ID]) == given_id(other[TASK_ID])
        return TASK_ID in self.data and all(one.get(column) == other.get(column) for column in self.data)


def _find_columns(file: FlatFile, config: LabelConfig) -> _Columns:
    """Find the roles of a flat export's columns. The file is read once, in constant memory.

    Raises:
        StudioExportError: it cannot be read, no column is a control of the config, or a field that the config shows
            is not in such a file.
    """
    facts = _ColumnFacts(frozenset(control.name for control in config.controls))
    for record in file.records():
        facts.add(record)
    renames = file.is_table
    is_part = _shown_fields(config, facts)
    shown = is_part.keys()
    _check(file, facts, shown)
    mixed = frozenset() if renames else _distinct_by_form(config, facts)
    hidden = _hidden(shown | (facts.fields - mixed), facts, renames=renames)
    answers = facts.answered - hidden.keys()
    has_ids = facts.ids_are_of_tasks and TASK_ID not in shown
    renamed = {RENAMED + name: name for name in answers if renames and RENAMED + name not in shown}
    about = ABOUT - shown if has_ids else ABOUT - shown - {TASK_ID}
    return _Columns(
        data={column: renamed.get(column, column) for column in facts.columns if column not in about | answers},
        structured=frozenset(key for key, is_inside in is_part.items() if is_inside and renames),
        answers=answers,
        mixed=mixed,
        hidden=hidden,
        has_ids=has_ids,
        tells_annotations=ANNOTATION_ID in facts.columns,
        largest_annotation_id=facts.largest_annotation_id,
    )


def _is_empty(cell: object) -> bool:
    """True where a cell holds nothing."""
    return cell is None or cell == ""


class _ColumnFacts:
    """The facts about columns that all records together show.

    Attributes:
        controls: names of the label config's controls.
        columns: in the order of their first appearance.
        fields: names that a control and a field share: a record that nobody annotated has a value under the name, or
            the value is among the fields, which JSON_MIN writes before the id.
        like_regions: names in `fields` whose field holds a value that looks like the regions of an answer.
    """

    def __init__(self, controls: frozenset[str]) -> None:
        self.columns: dict[str, None] = {}
        self.fields: set[str] = set()
        self.like_regions: set[str] = set()
        self.largest_annotation_id = 0
        self.controls = controls
        self._ids = array("q")
        self._are_ids = True
        self._last: Mapping[str, Any] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Take the next record into account."""
        self.columns.update(dict.fromkeys(record))
        annotation_id = record.get(ANNOTATION_ID, 0)
        if _is_empty(annotation_id):
            filled = [name for name in self.controls if not _is_empty(record.get(name))]
            self.fields.update(filled)
            self.like_regions.update(name for name in filled if _are_regions(record[name]))
        if WRITTEN_LAST in (tuple(record)[-5:], tuple(record)[-6:-1]):
            self.fields.update(self.controls.intersection(takewhile(TASK_ID.__ne__, record)))
        self.largest_annotation_id = max(self.largest_annotation_id, given_id(annotation_id) or 0)
        self._add_id(record)
        self._last = record

    @property
    def answered(self) -> Set[str]:
        """The controls with the name of a column."""
        return self.controls & self.columns.keys()

    @property
    def ids_are_of_tasks(self) -> bool:
        """True where the column `id` holds whole numbers, each for one task only.

        In tables, a field called `id` replaces the tasks' ids.
        """
        if TASK_ID in self.answered or not self._ids:
            return False
        grow = all(one < other for one, other in pairwise(self._ids))
        return self._are_ids and (grow or len(set(self._ids)) == len(self._ids))

    def _add_id(self, record: Mapping[str, Any]) -> None:
        task_id = given_id(record.get(TASK_ID))
        if task_id is None:
            self._are_ids = False
        elif not self._ids or self._ids[-1] != task_id:
            self._ids.append(task_id)
        else:
            columns = (record.keys() | self._last.keys()) - ABOUT - self.controls
            self._are_ids &= all(record.get(name) == self._last.get(name) for name in columns)


def _shown_fields(config: LabelConfig, facts: _ColumnFacts) -> dict[str, bool]:
    """Return the fields that the label config shows; true for those that hold no text, as `doc` for `$doc.text`."""
    # A task's own id may be shown as well, and not every flat export holds it.
    beside = (shown for shown in config.objects if shown.tag in find_objects() and shown.field != TASK_ID)
    objects = [shown for shown in (*(control.object for control in config.controls), *beside) if shown.field]
    whole = {shown.field: shown.tag in LISTS for shown in objects if shown.field in facts.columns}
    parts = {
        key: re.search(rf"\${re.escape(key)}(\.\w|\[)", shown.written) is not None
        for shown in objects
        if shown.field not in whole
        for key in shown.keys
    }
    return {**parts, **whole}


def _check(file: FlatFile, facts: _ColumnFacts, shown: Set[str]) -> None:
    if facts.columns and not (facts.answered and shown & facts.columns.keys()):
        raise StudioExportError(
            f"{file.path}: the columns {shown_names(facts.columns)} found; wanted a text under "
            f"{' or '.join(sorted(shown))}, and answers under {' or '.join(sorted(facts.controls))}, of which there is "
            "no column where nobody has answered: give the label config of this project (--config FILE), or name the "
            "column of the answers (--control NAME)"
        )
    lost = shown & (WRITTEN_OVER if file.is_table else WRITTEN_OVER | {TASK_ID} | facts.answered)
    if lost:
        raise StudioExportError(
            f"{file.path}: the tasks' field {min(lost)!r}, which the label config shows, is not in this file, where a "
            "column of that name holds something else; export the project as JSON"
        )


def _distinct_by_form(config: LabelConfig, facts: _ColumnFacts) -> frozenset[str]:
    """Return the controls whose answers differ in their form from the values of a field with the same name."""
    # The answer of any other control is a list of regions, such as spans, and never a plain value.
    by_regions = {control.name for control in config.controls if control.tag.lower() not in PLAIN_KEYS}
    return frozenset((facts.fields & by_regions) - facts.like_regions)


def _hidden(fields: Set[str], facts: _ColumnFacts, *, renames: bool) -> dict[str, str]:
    """Return why the file does not show the answers, by control."""
    hidden = {}
    for name in sorted(facts.answered):
        if name in ABOUT:
            hidden[name] = "has the name of a column with another meaning: its answers are not in the file"
        elif name in fields and not (renames and RENAMED + name in facts.columns):
            hidden[name] = (
                "has the name of a field of the tasks, and the file does not tell the one from the other: its answers "
                "are not read; export the project as JSON"
            )
    return hidden


def _regions_of(control: Control, cell: object, decode: Callable[[str], Any] | None) -> Iterator[Region]:
    """Yield the regions that a cell describes.

    Args:
        decode: decodes JSON in the cells of tables, which hold objects and lists as text; None for JSON_MIN.

    Raises:
        PayloadError: the JSON in a cell nests too deep, or holds a number too long to read.
    """
    if decode is not None and cell not in control.label_values:
        value = _unpack(cell, decode)
        cell = value if _is_packed(control, value) else cell
    kind = control.tag.lower()
    for value in cell if isinstance(cell, list) else [cell]:
        yield _region(control, {PLAIN_KEYS.get(kind, kind): [value]} if isinstance(value, str) else value)


def _are_regions(value: object) -> bool:
    """True where the value has the form of an answer by regions."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _unpack(cell: object, decode: Callable[[str], Any]) -> object:
    """Return the object or list that a cell holds as JSON text; any other cell is returned unchanged.

    Raises:
        PayloadError: as `regions_of` says.
    """
    if not isinstance(cell, str) or not cell.startswith(("{", "[")):
        return cell
    try:
        return decode(cell)
    except NotJson:
        return cell


def _region(control: Control, value: object) -> Region:
    return {"from_name": control.name, "to_name": control.object.name, "type": control.tag.lower(), "value": value}


def _is_packed(control: Control, value: object) -> bool:
    """True where Label Studio writes such a value as JSON, which it never does with a single plain value.

    Choices are stored as paths where they may be nested, so a list may be one choice as well as several.
    """
    key = PLAIN_KEYS.get(control.tag.lower())
    if key is None:
        return True
    members = value if isinstance(value, list) else [value]
    objects = [each for each in members if isinstance(each, dict) and isinstance(each.get(key), list)]
    texts = [each for each in members if isinstance(each, str)]
    if len(objects) + len(texts) < len(members):
        return False
    if isinstance(value, dict):
        return len(value[key]) != 1
    return bool(objects) or (bool(texts) and set(texts) <= set(control.label_values))
