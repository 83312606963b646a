"""The small values in files: what they stand for, whatever a tool has made of them on the way."""

import math
import re
from collections.abc import Iterable
from itertools import islice

from ..domain.project import GREATEST_STUDIO_ID

__all__ = ["given_id", "given_seconds", "given_text", "shown_names"]

NAMES_SHOWN, NAME_CHARACTERS = 20, 40
# "007" is a name: as a number it could be another one's.
WHOLE_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.0)?")


def given_id(value: object) -> int | None:
    """The whole number that an id is, also where a tool has made it a text (`"7"`) or a fraction (`7.0`); else None."""
    if isinstance(value, str):
        found = WHOLE_NUMBER.fullmatch(value)
        value = int(found[1]) if found else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= GREATEST_STUDIO_ID else None


def given_seconds(value: object) -> float | None:
    """A length of time; None for what is none, such as NaN."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def given_text(value: object) -> str | None:
    """A name or a time; None for nothing, and for what is neither text nor a number."""
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def shown_names(names: Iterable[str]) -> str:
    """The first names of a file's fields or columns, for a message: in short, whatever they are."""
    return ", ".join(name[:NAME_CHARACTERS] for name in islice(names, NAMES_SHOWN)) or "none"
