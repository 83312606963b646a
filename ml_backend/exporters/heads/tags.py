"""Pieces of texts: positions, and a label by its number."""

from typing import Any

from ...domain.example import Span, Target, parts_of
from .base import AnswerColumn

__all__: list[str] = []


class SpansColumn(AnswerColumn):
    """A list of spans per row, which count Unicode code points."""

    head = "tags"
    has_spans = True

    def value(self, target: Target) -> list[dict[str, int]]:
        spans = (part for part in parts_of(target) if isinstance(part, Span))
        return [{"start": span.start, "end": span.end, "label": self.number(span.label)} for span in spans]

    def feature(self) -> Any:
        position = {"dtype": "int32", "_type": "Value"}
        return [{"start": position, "end": position, "label": self.label_feature()}]
