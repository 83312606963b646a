"""One of a task's own options: its id."""

from typing import Any

from ...domain.example import Target
from .base import AnswerColumn

__all__: list[str] = []


class OptionColumn(AnswerColumn):
    """A string per row."""

    head = "option"

    def value(self, target: Target) -> str:
        return str(target)

    def feature(self) -> Any:
        return {"dtype": "string", "_type": "Value"}
