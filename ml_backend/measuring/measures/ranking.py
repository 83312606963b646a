"""Rankings: how many pairs of items stand in the right order, or how many items lie in the right bucket."""

from ...domain.example import Target
from ..offered import OfferedMeasure, order_counts

__all__: list[str] = []


class RankingMeasure(OfferedMeasure):
    """The share of pairs in the right order, which is .5 by lot; with buckets the share of items in the right one.

    Source of the first: Kendall 1938, "A New Measure of Rank Correlation", from 0 to 1.
    """

    head = "ranking"
    metric = "pair accuracy"

    def counts(self, true: Target, answer: Target | None) -> tuple[int, int, int]:
        return order_counts(true, answer)
