"""Numbers, of any size."""

from typing import Any

from ...domain.example import Target
from ..limits import NotCarried
from .base import AnswerColumn

__all__: list[str] = []


class NumberColumn(AnswerColumn):
    """A number of double precision per row."""

    head = "number"

    def value(self, target: Target) -> float:
        if not isinstance(target, int | float):
            raise NotCarried(f"an answer to {self.control} that is no number")
        return float(target)

    def feature(self) -> Any:
        return {"dtype": "float64", "_type": "Value"}
