"""`csv`: a table for spreadsheets and other trainers."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import IO

from ..domain.example import Row, Target
from ..errors import SnapshotError
from .base import Exporter

__all__ = ["CsvTable"]

HALF_SURROGATES = re.compile("[\ud800-\udfff]")


class CsvTable(Exporter):
    r"""A header, then a line per row, as RFC 4180 has it; texts keep their line breaks, inside quotes.

    Values are written as they are. A spreadsheet takes a text that starts with `=`, `+`, `-` or `@` for a formula
    unless its column is imported as text. Half a surrogate pair has no UTF-8 form and becomes `\ufffd`.
    """

    name = "csv"
    description = "A header, then a line per row: one column per input field and one per target."
    suffix = ".csv"

    def write(self, rows: Iterable[Row], target: IO[str]) -> int:
        """Write the rows under the columns of the first one.

        Raises:
            SnapshotError: a later row has other fields or targets than the first.
        """
        writer = csv.writer(target)
        header: list[str] = []
        count = 0
        for row in rows:
            cells = _cells(row)
            if not count:
                header = list(cells)
                writer.writerow(header)
            elif cells.keys() != set(header):
                raise SnapshotError(
                    f"row {row.id} has the columns {', '.join(cells)}, the first row has {', '.join(header)}; "
                    "wanted rows of one label config (the format `rows` takes any)"
                )
            writer.writerow([cells[name] for name in header])
            count += 1
        return count


def _cells(row: Row) -> dict[str, str]:
    """The row's values by column. A target that is named like a field gets `_target` added to its name."""
    targets = {f"{name}_target" if name in row.input else name: _text(value) for name, value in row.targets.items()}
    cells: Mapping[str, str] = {**row.input, **targets}
    return {_encodable(name): _encodable(value) for name, value in cells.items()}


def _text(target: Target) -> str:
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _encodable(text: str) -> str:
    return HALF_SURROGATES.sub("\ufffd", text)
