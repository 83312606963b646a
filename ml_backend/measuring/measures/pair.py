"""Which of two texts is better: share of the pairs that are answered rightly."""

from ..evaluation import Average
from ..f1 import F1Measure

__all__: list[str] = []


class PairMeasure(F1Measure):
    """Accuracy, which micro-F1 is where every pair has one answer. Which side a text stands on tells nothing."""

    head = "pair"
    metric = "pair accuracy"
    curve = "micro_f1"
    average = Average.MICRO
