"""Rankings: how many pairs of items stand in the right order, or how many items lie in the right bucket."""

import numpy as np

from ...domain.example import Bucket, Target, parts_of
from ..offered import OfferedMeasure, order_counts

__all__: list[str] = []

FEWEST = 2


class RankingMeasure(OfferedMeasure):
    """The share of pairs in the right order, which is .5 by lot; with buckets the share of items in the right one.

    Source of the first: Kendall 1938, "A New Measure of Rank Correlation", from 0 to 1. NDCG stands beside it, which
    looks at the first places above all.
    """

    head = "ranking"
    metric = "pair accuracy"

    def counts(self, true: Target, answer: Target | None) -> tuple[int, int, int]:
        return order_counts(true, answer)

    def gain(self, true: Target, answer: Target | None) -> float | None:
        """Return the NDCG of an order; None of buckets, which have none among them, and where nothing can be wrong.

        The last of K items is worth 0, the best K - 1, divided by the base-2 logarithm of its place plus 1. Source:
        Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques".
        """
        order, given = parts_of(true), () if answer is None else parts_of(answer)
        if len(order) < FEWEST or any(isinstance(part, Bucket) for part in order):
            return None
        worth = {name: len(order) - 1.0 - place for place, name in enumerate(order)}
        discounts = 1 / np.log2(np.arange(2, 2 + max(len(order), len(given))))
        best = float(np.dot(list(worth.values()), discounts[: len(order)]))
        return float(np.dot([worth.get(name, 0.0) for name in given], discounts[: len(given)])) / best
