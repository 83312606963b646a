"""Each label or not, per text: mean F1 of the labels."""

from ..evaluation import Average
from ..f1 import F1Measure

__all__: list[str] = []


class SigmoidMeasure(F1Measure):
    """Macro-F1 over labels."""

    head = "sigmoid"
    metric = "macro-F1"
    average = Average.MACRO
