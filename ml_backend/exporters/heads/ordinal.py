"""Ratings: whole numbers."""

from typing import Any

from ...domain.example import Target, label_of, parts_of
from .base import AnswerColumn

__all__: list[str] = []


class LevelColumn(AnswerColumn):
    """A whole number per row: the level itself, and not its place in a list."""

    head = "ordinal"

    def value(self, target: Target) -> int:
        (level,) = map(label_of, parts_of(target))
        self.number(level)
        return int(level)

    def feature(self) -> Any:
        return {"dtype": "int32", "_type": "Value"}
