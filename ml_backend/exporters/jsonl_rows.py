"""`rows`: everything labelloop knows of a row, in the shape that snapshots have."""

from ..domain.example import Row
from ..domain.row_json import row_to_json, to_line
from .base import ExportRequest, LineExporter, Lines

__all__ = ["JsonlRows"]


class JsonlRows(LineExporter):
    """One JSON object per line; `snapshots.store.row_from_line` reads it back."""

    name = "rows"
    description = "One JSON object per line: input, targets, every annotator's answers, provenance."
    limits = "Fields of the task that the label config does not name are left out."
    suffix = ".jsonl"
    needs_config = False

    def lines(self, wish: ExportRequest) -> Lines:  # noqa: ARG002 (everything is written)
        return _Rows()


class _Rows(Lines):
    def text_of(self, row: Row) -> str:
        return to_line(row_to_json(row))
