"""Facts that labelloop writes as JSON objects and reads back; where somebody changed their shape, they are refused."""

import json
import reprlib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["StoredFacts", "in_a_line"]

LONGEST_LINE = 300


class StoredFacts(BaseModel):
    """A JSON object with the fields of a subclass: every one of its type, and no others."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)

    @classmethod
    def parse(cls, content: str | bytes) -> Self:
        """Make the facts from their JSON document.

        Raises:
            ValueError: it is not JSON, or a fact is missing, unknown or of another type; the message is one line.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(_explained(error)) from None

    @classmethod
    def of(cls, document: object) -> Self:
        """Make the facts from the object that `to_json` returned.

        Raises:
            ValueError: as `parse`.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ValueError(_explained(error)) from None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return self.model_dump(mode="json", by_alias=True)

    def write(self, file: Path) -> None:
        """Write the JSON document."""
        file.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def copy_with(self, **values: Any) -> Self:
        """Return the same facts with some other values, which are checked."""
        return type(self)(**dict(self) | values)

    @staticmethod
    def schema_of(content: bytes) -> object:
        """Return the `schema_version` of a JSON document, to be compared before the facts of another one are refused.

        Raises:
            ValueError: it is not JSON, or nested more deeply than anything that labelloop writes.
            KeyError: there is none.
            TypeError: it is no JSON object.
        """
        try:
            version: object = json.loads(content)["schema_version"]
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return version


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":  # one of our own checks, whose message says what was found
        return f"{place}: {first['ctx']['error']}" if place else str(first["ctx"]["error"])
    value = reprlib.repr(first["input"])
    return f"{place or 'the document'}: {value} found; {first['msg'][:1].lower()}{first['msg'][1:]}"


def in_a_line(error: Exception) -> str:
    """Return a library's error about files that it could not use, in one line that is short enough for a message."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_LINE]
