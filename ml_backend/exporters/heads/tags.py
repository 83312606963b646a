"""Pieces of texts: positions, and a label by its number."""

from typing import Any

from ...domain.example import Target, spans_in
from .base import AnswerColumn

__all__: list[str] = []


class SpansColumn(AnswerColumn):
    """A list of spans per row, which count Unicode code points."""

    head = "tags"
    has_spans = True

    def value(self, target: Target) -> list[dict[str, int]]:
        return [{"start": each.start, "end": each.end, "label": self.number(each.label)} for each in spans_in(target)]

    def feature(self) -> Any:
        position = {"dtype": "int32", "_type": "Value"}
        return [{"start": position, "end": position, "label": self.label_feature()}]
