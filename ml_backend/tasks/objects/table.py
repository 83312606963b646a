"""`<Table>`: keys and values, or rows and columns, read as lines of text. Nothing in it can be marked."""

import json
from collections.abc import Mapping
from typing import Any

from ...domain.object_tag import ObjectTag, as_text
from .base import ObjectKind

__all__: list[str] = []


class TableObject(ObjectKind):
    """An object, whose rows are sorted by key, a list of objects, a list, or any of them as JSON in a string."""

    tag = "Table"

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        value = _parsed(shown.value(data))
        if isinstance(value, Mapping):
            return "\n".join(f"{as_text(key)}: {_cell(value[key])}" for key in sorted(value, key=as_text))
        return "\n".join(map(_row, value)) if isinstance(value, list) else as_text(value)

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        return shown.data_holding([text])


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _row(row: Any) -> str:
    if not isinstance(row, Mapping):
        return _cell(row)
    return "; ".join(f"{as_text(key)}: {_cell(cell)}" for key, cell in row.items())


def _cell(cell: Any) -> str:
    """Return a cell as the editor shows it: nested values as JSON."""
    return as_text(json.dumps(cell, ensure_ascii=False) if isinstance(cell, Mapping | list) else cell)
