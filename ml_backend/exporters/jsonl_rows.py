"""`rows`: everything labelloop knows of a row, in the shape that snapshots have."""

from collections.abc import Iterable, Iterator

from ..domain.example import Row
from ..domain.row_json import row_to_json, to_line
from .base import ExportRequest, LineExporter, RowCounter

__all__: list[str] = []


class JsonlRows(LineExporter):
    """One JSON object per line; `SnapshotFolder.row_from_line` reads it back."""

    name = "rows"
    description = "One JSON object per line: input, targets, every annotator's answers, provenance."
    limits = "Fields of the task that are not read are left out."
    suffix = ".jsonl"
    needs_config = False
    carries_relations = True

    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:  # noqa: ARG002
        return counter.convert(rows, lambda row: to_line(row_to_json(row)))
