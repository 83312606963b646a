"""Which pieces of a text carry which label: F1 of exact spans."""

from ..evaluation import Average
from ..f1 import F1Measure

__all__: list[str] = []


class TagsMeasure(F1Measure):
    """Micro-F1 over spans: a span is right where start, end and label all are."""

    head = "tags"
    metric = "strict F1"
    average = Average.MICRO
