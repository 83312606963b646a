"""Print a command's result, for people or as JSON, and notes beside it."""

import dataclasses
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..domain.reasons import ReasonCount

__all__ = ["emit", "note", "note_reasons", "notes", "table"]

UNLIMITED = 10_000


@cache
def notes() -> "Console":
    """Return the console of notes and progress, standard error; made when first needed, since rich loads slowly."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def emit(result: object, *, as_json: bool, lines: "Iterable[str | Table]" = ()) -> None:
    """Print a command's result on standard output: as JSON, or as lines and tables."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False, default=_jsonable) + "\n")
        return
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False, markup=False).print(*lines, sep="\n")
        return
    # Into a file or a pipe, a table must not be cut at a terminal's width that does not exist.
    text = io.StringIO()
    Console(file=text, highlight=False, markup=False, width=UNLIMITED).print(*lines, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """Return a table without frame; None is shown as a dash."""
    from rich.table import Table

    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*("-" if cell is None else str(cell) for cell in row))
    return shown


def note(text: str) -> None:
    """Print something that is not the result."""
    notes().print(text)


def note_reasons(reasons: Iterable["ReasonCount"]) -> None:
    """Print what was left out or repaired, how often, and in which tasks."""
    for each in reasons:
        note(each.line)


def _jsonable(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
