"""Choose texts that the model is uncertain about, and that differ from each other."""

import numpy as np

from ...arrays import Ints
from ..clusters import Clusters
from ..pool import Pool
from .base import SelectionStrategy, uncertainty

__all__: list[str] = []

CANDIDATES_PER_TEXT = 16
"""How many of the most uncertain texts compete for a place."""
FIRST_ROWS_PER_LABEL = 4
"""Before labels occur as often on average, doubts say little, and texts that stand for many are worth more."""


class MarginDiverseStrategy(SelectionStrategy):
    """The middles of clusters of the most uncertain texts, weighted by their doubt.

    Source: Zhdanov 2019, "Diverse mini-batch active learning"; before that, `typical`.
    """

    name = "margin_diverse"
    learns = True

    def order(self, pool: Pool, count: int) -> Ints:
        if _is_early(pool):
            return self.named("typical").order(pool, count)
        doubt = pool.doubt
        by_doubt = np.argsort(-doubt, kind="stable")
        candidates = by_doubt[: CANDIDATES_PER_TEXT * count]
        weights = np.maximum(doubt[candidates], 1e-6)
        clusters = Clusters.of(pool.features[candidates], min(count, len(candidates)), pool.rng(), weights)
        middles = clusters.middles()
        chosen = candidates[np.sort(middles[middles >= 0])]  # candidates are in the order of doubt
        return np.concatenate([chosen, by_doubt[~np.isin(by_doubt, chosen)]])

    def reason(self, pool: Pool, position: int) -> str:
        if _is_early(pool):
            return self.named("typical").reason(pool, position)
        return f"{uncertainty(pool, position)}, and it stands for others like it"


def _is_early(pool: Pool) -> bool:
    """True while labels that exclude each other have few rows; of several labels or spans each row shows more."""
    return any(
        each.is_one_label and each.label_counts.sum() < FIRST_ROWS_PER_LABEL * len(each.labels) for each in pool.answers
    )
