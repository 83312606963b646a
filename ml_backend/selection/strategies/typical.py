"""Choose texts that stand for many others and resemble no labeled one."""

import numpy as np

from ...arrays import Ints
from ..clusters import Clusters, nearest
from ..pool import Pool
from .base import SelectionStrategy

__all__: list[str] = []

MOST_CLUSTERS = 1000


class TypicalStrategy(SelectionStrategy):
    """The middles of the largest clusters without a label, for the first labels.

    Source: Hacohen, Dekel and Weinshall 2022 (TypiClust), with the text nearest to the centre as the typical one.
    """

    name = "typical"

    def order(self, pool: Pool, count: int) -> Ints:
        rng = pool.rng()
        clusters = Clusters.of(pool.features, max(1, min(len(pool), len(pool.labeled) + count, MOST_CLUSTERS)), rng)
        sizes = np.bincount(clusters.members, minlength=len(clusters.centres))
        labeled = np.bincount(nearest(pool.labeled, clusters.centres)[0], minlength=len(clusters.centres))
        middles = clusters.middles()
        # By size where no text is labeled; after that, by texts per labeled one.
        order = np.lexsort((-sizes / (labeled + 1), labeled > 0))
        first = middles[order]
        first = first[first >= 0]
        return np.concatenate([first, rng.permutation(np.setdiff1d(np.arange(len(pool)), first))])

    def reason(self, pool: Pool, position: int) -> str:  # noqa: ARG002 (the same for all)
        return "stands for many texts, of which none like it is labeled"
