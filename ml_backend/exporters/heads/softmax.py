"""Single choices: a label by its number."""

from typing import Any

from ...domain.example import Target
from .base import AnswerColumn

__all__: list[str] = []


class ChoiceColumn(AnswerColumn):
    """One number per row."""

    head = "softmax"

    def value(self, target: Target) -> int:
        return self.number(str(target))

    def feature(self) -> Any:
        return self.label_feature()
