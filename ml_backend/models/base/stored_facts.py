"""Read dataclasses back from JSON that labelloop has written, and refuse it where somebody has changed its shape."""

import json
import reprlib
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

__all__ = ["EXACT", "facts_of", "in_a_line", "parsed_json"]

EXACT = ConfigDict(extra="forbid")
"""The `__pydantic_config__` of a dataclass that refuses unknown facts."""

SAID_CHARACTERS = 300

_Facts = TypeVar("_Facts")


def parsed_json(content: str | bytes) -> Any:
    """Parse a JSON document.

    Raises:
        ValueError: it is not JSON, or nested more deeply than anything that labelloop writes.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def facts_of(kind: type[_Facts], document: object) -> _Facts:
    """Make a dataclass from the JSON object that it was written as; every field must have its type.

    Raises:
        ValueError: a fact is missing, unknown or of another type.
    """
    try:
        return TypeAdapter(kind).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        found = reprlib.repr(first["input"])
        raise ValueError(f"{place}: {found} found; {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def in_a_line(error: Exception) -> str:
    """Return a library's error about files that it could not use, in one line that is short enough for a message."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:SAID_CHARACTERS]
