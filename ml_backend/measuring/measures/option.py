"""One of a text's options: share of the texts for which it is the right one."""

from ..offered import OfferedMeasure

__all__: list[str] = []


class OptionMeasure(OfferedMeasure):
    """Accuracy, which F1 is where every text has one answer."""

    head = "option"
    metric = "accuracy"
