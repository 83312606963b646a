"""One of the labels per text: mean F1 of the classes."""

from ..evaluation import Average
from ..f1 import F1Measure

__all__: list[str] = []


class SoftmaxMeasure(F1Measure):
    """Macro-F1 over classes; rows are resampled within their class."""

    head = "softmax"
    metric = "macro-F1"
    average = Average.MACRO
    is_stratified = True
