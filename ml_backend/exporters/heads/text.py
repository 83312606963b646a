"""Written answers: texts."""

from typing import Any

from ...domain.example import Target
from ..limits import encodable
from .base import AnswerColumn

__all__: list[str] = []


class TextColumn(AnswerColumn):
    """A text per row."""

    head = "text"

    def value(self, target: Target) -> str:
        return encodable(str(target))

    def feature(self) -> Any:
        return {"dtype": "string", "_type": "Value"}
