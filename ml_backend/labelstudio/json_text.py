"""Read JSON that comes from outside, and refuse text that is nested too deeply for Python's parser."""

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
    """Parse a JSON text in UTF-8.

    Halves of surrogate pairs are kept: Label Studio accepts them, and tasks that hold one get an answer.

    Raises:
        PayloadError: it is nested more than 200 deep.
        ValueError: it is not JSON.
    """
    try:
        return _parse(text)
    except ValueError:
        if not _SURROGATE.search(text):
            raise
    # This parser refuses halves of pairs. Python's own accepts them, but its limit on nesting varies between platforms.
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
