"""Any of a text's options: F1 over options."""

from ..offered import OfferedMeasure

__all__: list[str] = []


class OptionsMeasure(OfferedMeasure):
    """F1 over all options of all texts."""

    head = "options"
    metric = "F1"
