"""Choose texts far from each other and from all labeled ones."""

import numpy as np

from ...arrays import Floats, Ints
from ..clusters import nearest
from ..pool import Pool
from .base import SelectionStrategy

__all__: list[str] = []


class DiverseStrategy(SelectionStrategy):
    """The farthest text from all that are labeled or chosen, again and again.

    Source: Sener and Savarese 2018 (core-set, by the greedy k-centre algorithm of Gonzalez 1985).
    """

    name = "diverse"

    def order(self, pool: Pool, count: int) -> Ints:
        rng = pool.rng()
        likeness: Floats = np.full(len(pool), -np.inf)
        if len(pool.labeled):
            likeness = nearest(pool.features, pool.labeled)[1]
        chosen: list[int] = []
        is_left = np.ones(len(pool), dtype=np.bool_)
        for _ in range(min(len(pool), count + count // 4)):
            is_first = not chosen and not len(pool.labeled)
            position = int(rng.integers(len(pool)) if is_first else np.where(is_left, likeness, np.inf).argmin())
            chosen.append(position)
            is_left[position] = False
            own = pool.features[position]
            likeness = np.maximum(likeness, 2 * (pool.features @ own) - own @ own)
        return np.concatenate([np.array(chosen, dtype=np.int64), rng.permutation(np.flatnonzero(is_left))])

    def reason(self, pool: Pool, position: int) -> str:  # noqa: ARG002 (the same for all)
        return "unlike all texts that are labeled or stand before it"
