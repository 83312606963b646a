"""Read ids, durations and names from files, in the forms into which tools may have changed them on the way."""

import math
import re
from collections.abc import Iterable
from itertools import islice

from ...domain.project import Project

__all__ = ["given_id", "given_seconds", "given_text", "shown_names"]

NAMES_SHOWN, NAME_CHARACTERS = 20, 40
# "007" is a name: read as a number, it could equal another task's id.
WHOLE_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.0)?")


def given_id(value: object) -> int | None:
    """Return an id as a whole number, also where a tool has made it text (`"7"`) or a float (`7.0`); otherwise None."""
    if isinstance(value, str):
        match = WHOLE_NUMBER.fullmatch(value)
        value = int(match[1]) if match else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= Project.GREATEST_ID else None


def given_seconds(value: object) -> float | None:
    """Return a duration in seconds; None for a value that is none, such as NaN."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def given_text(value: object) -> str | None:
    """Return a name or a time as text; None for an empty value, and for one that is neither text nor a number."""
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def shown_names(names: Iterable[str]) -> str:
    """Return the first names of a file's fields or columns for a message, each shortened where it is long."""
    return ", ".join(name[:NAME_CHARACTERS] for name in islice(names, NAMES_SHOWN)) or "none"
