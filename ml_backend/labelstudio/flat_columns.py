"""Find out what each column of a flat export holds: answers, a field of the tasks' data, or facts on the annotation.

Label Studio names columns after both controls and fields, so two may have the same name. In tables, a field with the
name of a control is called `_data_NAME` as soon as somebody has answered the control. In JSON_MIN, an answer replaces
such a field, but only in its own record. Therefore the whole file is read first.
"""

import re
from array import array
from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path

from ..domain.label_config import LabelConfig
from ..errors import StudioExportError
from .flat_cells import are_regions, is_answered_by_regions
from .flat_records import Record, is_table, read_records
from .given_values import given_id, shown_names

__all__ = ["ANNOTATION_ID", "TASK_ID", "Columns", "find_columns", "is_empty"]

TASK_ID, ANNOTATION_ID = "id", "annotation_id"
WRITTEN_LAST = ("annotator", ANNOTATION_ID, "created_at", "updated_at", "lead_time")
"""The last keys of every JSON_MIN record, except for the agreement, where nobody has changed the order."""
WRITTEN_OVER = frozenset(WRITTEN_LAST)
"""Columns that every flat export has; a field or control with such a name is missing from the file."""
ABOUT = WRITTEN_OVER | {TASK_ID, "agreement", "history"}
RENAMED = "_data_"


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles of a file's columns, the same for all records.

    Attributes:
        data: the field of the tasks' data that a column holds, by the column.
        structured: columns of `data` whose cells hold JSON of which the label config shows a part, such as `$doc.text`.
        answers: names of the controls whose answers are in the column of the same name.
        mixed: those of `answers` whose column also holds a field; the form of a cell tells answers from the field.
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

    def is_annotated(self, record: Record) -> bool:
        """True where the record is about an annotation, and not only about a task."""
        if self.tells_annotations:
            return not is_empty(record.get(ANNOTATION_ID))
        return any(self.answer(record, name) is not None for name in self.answers)

    def answer(self, record: Record, control: str) -> object:
        """Return the cell with a record's answer to a control; None where there is none."""
        cell = record.get(control) if control in self.answers else None
        return None if is_empty(cell) or (control in self.mixed and not are_regions(cell)) else cell

    def are_of_one_task(self, one: Record, other: Record) -> bool:
        """True where two records that follow each other are about the same task."""
        if self.has_ids:
            return given_id(one[TASK_ID]) == given_id(other[TASK_ID])
        return TASK_ID in self.data and all(one.get(column) == other.get(column) for column in self.data)


def find_columns(path: Path, config: LabelConfig) -> Columns:
    """Find the roles of a flat export's columns. The file is read once, in constant memory.

    Raises:
        StudioExportError: it cannot be read, no column is a control of the config, or a field that the config shows
            is not in such a file.
    """
    found = _Found(frozenset(control.name for control in config.controls))
    for record in read_records(path):
        found.add(record)
    renames = is_table(path)
    looked_into = _shown_fields(config, found)
    shown = looked_into.keys()
    _check(path, found, shown)
    mixed = frozenset() if renames else _told_by_their_looks(config, found)
    hidden = _hidden(shown | (found.fields - mixed), found, renames=renames)
    answers = found.answered - hidden.keys()
    has_ids = found.ids_are_of_tasks and TASK_ID not in shown
    renamed = {RENAMED + name: name for name in answers if renames and RENAMED + name not in shown}
    about = ABOUT - shown if has_ids else ABOUT - shown - {TASK_ID}
    return Columns(
        data={column: renamed.get(column, column) for column in found.columns if column not in about | answers},
        structured=frozenset(key for key, is_inside in looked_into.items() if is_inside and renames),
        answers=answers,
        mixed=mixed,
        hidden=hidden,
        has_ids=has_ids,
        tells_annotations=ANNOTATION_ID in found.columns,
        largest_annotation_id=found.largest_annotation_id,
    )


def is_empty(cell: object) -> bool:
    """True where a cell holds nothing."""
    return cell is None or cell == ""


class _Found:
    """The facts about columns that all records together show.

    Attributes:
        controls: names of the label config's controls.
        columns: in the order of their first appearance.
        fields: names that a control and a field share: a record that nobody annotated has a value under the name, or
            the value is among the fields, which JSON_MIN writes before the id.
        like_regions: those of `fields` whose field holds a value that looks like the regions of an answer.
    """

    def __init__(self, controls: frozenset[str]) -> None:
        self.columns: dict[str, None] = {}
        self.fields: set[str] = set()
        self.like_regions: set[str] = set()
        self.largest_annotation_id = 0
        self.controls = controls
        self._ids = array("q")
        self._are_ids = True
        self._last: Record = {}

    def add(self, record: Record) -> None:
        """Take the next record into account."""
        self.columns.update(dict.fromkeys(record))
        annotation_id = record.get(ANNOTATION_ID, 0)
        if is_empty(annotation_id):
            filled = [name for name in self.controls if not is_empty(record.get(name))]
            self.fields.update(filled)
            self.like_regions.update(name for name in filled if are_regions(record[name]))
        if WRITTEN_LAST in (tuple(record)[-5:], tuple(record)[-6:-1]):
            self.fields.update(self.controls.intersection(takewhile(TASK_ID.__ne__, record)))
        self.largest_annotation_id = max(self.largest_annotation_id, given_id(annotation_id) or 0)
        self._add_id(record)
        self._last = record

    @property
    def answered(self) -> Set[str]:
        """The controls whose name is also a column's."""
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

    def _add_id(self, record: Record) -> None:
        task_id = given_id(record.get(TASK_ID))
        if task_id is None:
            self._are_ids = False
        elif not self._ids or self._ids[-1] != task_id:
            self._ids.append(task_id)
        else:
            columns = (record.keys() | self._last.keys()) - ABOUT - self.controls
            self._are_ids &= all(record.get(name) == self._last.get(name) for name in columns)


def _shown_fields(config: LabelConfig, found: _Found) -> dict[str, bool]:
    """Return the fields that the label config shows; true for those it shows a part of, as `doc` for `$doc.text`."""
    objects = [control.object for control in config.controls if control.object.field]
    whole = {shown.field: False for shown in objects if shown.field in found.columns}
    parts = {
        key: re.search(rf"\${re.escape(key)}(\.\w|\[)", shown.written) is not None
        for shown in objects
        if shown.field not in whole
        for key in shown.keys
    }
    return {**parts, **whole}


def _check(path: Path, found: _Found, shown: Set[str]) -> None:
    if found.columns and not (found.answered and shown & found.columns.keys()):
        raise StudioExportError(
            f"{path}: the columns {shown_names(found.columns)} found; wanted a text under "
            f"{' or '.join(sorted(shown))}, and answers under {' or '.join(sorted(found.controls))}, of which there is "
            "no column where nobody has answered: give the label config of this project (--config FILE), or name the "
            "column of the answers (--control NAME)"
        )
    lost = shown & (WRITTEN_OVER if is_table(path) else WRITTEN_OVER | {TASK_ID} | found.answered)
    if lost:
        raise StudioExportError(
            f"{path}: the tasks' field {min(lost)!r}, which the label config shows, is not in this file, where a "
            "column of that name holds something else; export the project as JSON"
        )


def _told_by_their_looks(config: LabelConfig, found: _Found) -> frozenset[str]:
    """Return the controls whose answers can be told by their form from the values of a field with the same name."""
    by_regions = {control.name for control in config.controls if is_answered_by_regions(control)}
    return frozenset((found.fields & by_regions) - found.like_regions)


def _hidden(fields: Set[str], found: _Found, *, renames: bool) -> dict[str, str]:
    """Return why the file does not show the answers, by control."""
    hidden = {}
    for name in sorted(found.answered):
        if name in ABOUT:
            hidden[name] = "has the name of a column with another meaning: its answers are not in the file"
        elif name in fields and not (renames and RENAMED + name in found.columns):
            hidden[name] = (
                "has the name of a field of the tasks, and the file does not tell the one from the other: its answers "
                "are not read; export the project as JSON"
            )
    return hidden
