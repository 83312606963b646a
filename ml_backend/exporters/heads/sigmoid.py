"""Multiple choices: labels by their numbers."""

from typing import Any

from ...domain.example import Target, parts_of
from .base import AnswerColumn

__all__: list[str] = []


class ChoicesColumn(AnswerColumn):
    """A list of numbers per row."""

    head = "sigmoid"

    def value(self, target: Target) -> list[int]:
        return [self.number(str(part)) for part in parts_of(target)]

    def feature(self) -> Any:
        return {"feature": self.label_feature(), "_type": "Sequence"}
