"""`csv`: a table for spreadsheets and other trainers."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from ..domain.example import Row
from ..domain.row_json import target_to_json
from .base import Exporter, ExportRequest, RowCounter
from .limits import encodable

__all__: list[str] = []

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""As OWASP lists them under "CSV Injection", with the full-width forms that some spreadsheets take alike."""
ESCAPE = "'"


class CsvTable(Exporter):
    r"""A header, then a line per row, as RFC 4180 has it; texts keep their line breaks, inside quotes.

    A cell that a spreadsheet would take for a formula gets an apostrophe in front, unless the request says otherwise.
    Half a surrogate pair has no UTF-8 form and becomes `\ufffd`.
    """

    name = "csv"
    description = "A header, then a line per row: one column per input field and one per control."
    limits = (
        "Several names and entities are JSON inside a cell. A cell that starts like a formula gets an apostrophe in "
        "front, since spreadsheets run what stands there; --raw-cells leaves all cells as they are. Annotators and "
        "provenance are left out."
    )
    suffix = ".csv"
    needs_config = False

    def write(self, rows: Iterable[Row], path: Path, request: ExportRequest) -> RowCounter:
        """Write the rows; a row without an answer to a control has an empty cell there."""
        names = [served.name for served in request.controls] or [request.control]
        counter = RowCounter()
        escaped = 0

        def cell(text: str) -> str:
            nonlocal escaped
            text = encodable(text)
            if request.keeps_formulas or not text.startswith(FORMULA_STARTS):
                return text
            escaped += 1
            return ESCAPE + text

        with path.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target)
            # A control may be named like a field.
            fields = request.fields
            writer.writerow(map(cell, [*fields, *(f"{n}_target" if n in fields else n for n in names)]))
            cells = counter.convert(
                rows, lambda row: [*(row.input.get(field, "") for field in fields), *(_text(row, n) for n in names)]
            )
            writer.writerows(map(cell, texts) for texts in cells)
        if escaped:
            counter.notices.append(
                f"{escaped} cells start like a formula and got an apostrophe in front (--raw-cells keeps them)"
            )
        return counter


def _text(row: Row, control: str) -> str:
    if control not in row.targets:
        return ""
    target = row.targets[control]
    return target if isinstance(target, str) else json.dumps(target_to_json(target), ensure_ascii=False)
