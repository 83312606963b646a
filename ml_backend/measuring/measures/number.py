"""A number per text: how close the numbers come."""

from ..numeric import NumericMeasure

__all__: list[str] = []


class NumberMeasure(NumericMeasure):
    """Lin's concordance coefficient: quadratic kappa on numbers that are no levels."""

    head = "number"
    metric = "concordance"
