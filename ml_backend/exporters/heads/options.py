"""Any of a task's own options: their ids."""

from typing import Any

from ...domain.example import Target, parts_of
from .base import AnswerColumn

__all__: list[str] = []


class OptionsColumn(AnswerColumn):
    """A list of strings per row."""

    head = "options"

    def value(self, target: Target) -> list[str]:
        return [str(part) for part in parts_of(target)]

    def feature(self) -> Any:
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
