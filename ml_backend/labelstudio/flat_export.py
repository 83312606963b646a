"""Label Studio's flat exports (CSV, TSV, JSON_MIN): one record per annotation, answers under the controls' names.

They hold less than a JSON export: no skipped annotations, no pre-labels, no ground truth; and the label config of the
project must say which columns are answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..domain.annotation import Annotation, Region, Task
from ..domain.label_config import LabelConfig
from ..errors import PayloadError, StudioExportError
from .file_notes import FileNotes
from .flat_cells import regions_of, unpacked, unreadable_region
from .flat_columns import ANNOTATION_ID, TASK_ID, Columns, find_columns
from .flat_records import Record, is_table, read_records
from .given_values import given_id, given_seconds, given_text
from .json_stream import json_decoder

__all__ = ["read_flat_export"]


def read_flat_export(path: Path, config: LabelConfig, notes: FileNotes | None = None) -> Iterator[Task]:
    """Yield every task with its annotations, in constant memory. Records of one task must be next to each other.

    The file is read twice, since only all records together show what its columns hold. Where the file has no ids of
    tasks, a task's id is the number of its first record, from 1. A task that nobody annotated has no annotation.

    Raises:
        StudioExportError: as `read_records` and `find_columns`, or a cell cannot be read.
    """
    notes = notes or FileNotes()
    columns = find_columns(path, config)
    notes.hidden_answers.update(columns.hidden)
    reader = _Reader(path, config, columns, notes)
    records: list[tuple[int, Record]] = []
    for found in enumerate(read_records(path, notes), start=1):
        if records and not columns.are_of_one_task(records[-1][1], found[1]):
            yield reader.task(records)
            records = []
        records.append(found)
    if records:
        yield reader.task(records)


class _Reader:
    """Makes tasks from records, given the roles of the columns."""

    def __init__(self, path: Path, config: LabelConfig, columns: Columns, notes: FileNotes) -> None:
        self._path, self._controls, self._columns, self._notes = path, config.controls, columns, notes
        self._decode = json_decoder(notes)
        self._is_table = is_table(path)

    def task(self, records: list[tuple[int, Record]]) -> Task:
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

    def _data(self, number: int, record: Record) -> dict[str, Any]:
        data = {field: record[column] for column, field in self._columns.data.items() if column in record}
        for name in self._columns.structured & data.keys():
            with self._named(number, name):
                data[name] = unpacked(data[name], self._decode)
        return data

    def _annotation(self, number: int, record: Record) -> Annotation:
        annotation_id = given_id(record.get(ANNOTATION_ID))
        if annotation_id is None:
            self._notes.numbered_annotations += 1
            annotation_id = self._columns.largest_annotation_id + number
        annotator = record.get("annotator")
        whole = given_id(annotator)
        return Annotation(
            id=annotation_id,
            annotator=given_text(annotator if whole is None else whole) or "unknown",
            result=tuple(self._regions(number, record)),
            lead_time_s=given_seconds(record.get("lead_time")),
            created_at=given_text(record.get("created_at")),
            updated_at=given_text(record.get("updated_at")),
        )

    def _regions(self, number: int, record: Record) -> Iterator[Region]:
        for control in self._controls:
            if control.name in self._columns.hidden:
                yield unreadable_region(control)
            elif (cell := self._columns.answer(record, control.name)) is not None:
                with self._named(number, control.name):
                    yield from regions_of(control, cell, self._decode if self._is_table else None)

    @contextmanager
    def _named(self, number: int, column: str) -> Iterator[None]:
        try:
            yield
        except PayloadError as error:
            raise StudioExportError(
                f"{self._path}, record {number}, column {column!r}: {error}; correct the cell, or export the project "
                "as JSON"
            ) from None
