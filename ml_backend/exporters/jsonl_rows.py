"""`rows`: everything labelloop knows of a row, in the shape that snapshots have."""

from collections.abc import Iterable
from typing import IO

from ..domain.example import Row
from ..domain.row_json import row_to_line
from .base import Exporter

__all__ = ["JsonlRows"]


class JsonlRows(Exporter):
    """One JSON object per line; `domain.row_json` reads it back."""

    name = "rows"
    description = "One JSON object per line: input, targets, every annotator's answers, provenance."
    suffix = ".jsonl"

    def write(self, rows: Iterable[Row], target: IO[str]) -> int:
        count = 0
        for row in rows:
            target.write(row_to_line(row))
            count += 1
        return count
