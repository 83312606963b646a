"""A JSON provider for Flask that reads requests with `read_json`, and so limits their nesting."""

from typing import Any

from flask.json.provider import DefaultJSONProvider

from ..errors import PayloadError
from ..labelstudio.json_text import read_json

__all__ = ["BoundedJson"]


class BoundedJson(DefaultJSONProvider):
    """Reads JSON of limited nesting. Flask answers 400 where that fails."""

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Parse a JSON text.

        Raises:
            ValueError: it is not JSON, or nested too deeply.
        """
        try:
            return read_json(s.encode() if isinstance(s, str) else s)
        except PayloadError as error:
            raise ValueError(str(error)) from None
