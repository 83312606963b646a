"""JSON that comes from outside. What is nested so deeply that Python fails at it is refused like any other nonsense."""

import json
import re
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import PayloadError

__all__ = ["read_json"]

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(hide_input_in_errors=True))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_SURROGATE = rb"\\u00"


def read_json(text: bytes) -> object:
    """The value of a JSON text in UTF-8.

    Half surrogate pairs stay as they are: Label Studio takes them, and tasks that hold one are answered.

    Raises:
        PayloadError: it is nested more than 200 deep.
        ValueError: it is not JSON.
    """
    try:
        return _parse(text)
    except ValueError:
        if not _SURROGATE.search(text):
            raise
    # This parser takes no half pairs. Python's own does, but its bound on nesting is not the same everywhere.
    _parse(_SURROGATE.sub(_NO_SURROGATE, text))
    return json.loads(text)


def _parse(text: bytes) -> object:
    try:
        return _ANYTHING.validate_json(text)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        if "recursion limit" in reason:
            raise PayloadError("the JSON is nested more than 200 deep; Label Studio's own goes to about ten") from None
        raise ValueError(reason) from None
