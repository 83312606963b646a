"""One of several levels per text: how close the levels come."""

from ..numeric import NumericMeasure

__all__: list[str] = []


class OrdinalMeasure(NumericMeasure):
    """Cohen's kappa with quadratic weights: a level far off counts for more than the next one."""

    head = "ordinal"
    metric = "quadratic kappa"
