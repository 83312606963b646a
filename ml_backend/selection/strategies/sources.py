"""Choose texts on which label sources contradict each other, or the model."""

import numpy as np

from ...arrays import Ints
from ..pool import Pool
from .base import SelectionStrategy, uncertainty

__all__: list[str] = []


class SourcesStrategy(SelectionStrategy):
    """The strongest contradictions first, as far as both sides are trusted; then what the model is undecided about."""

    name = "sources"
    needs_sources = True

    def order(self, pool: Pool, count: int) -> Ints:  # noqa: ARG002 (all are in order)
        strengths = np.array([dispute.strength for dispute in pool.disputes] or np.zeros(len(pool)))
        return np.asarray(np.lexsort((-pool.doubt, -strengths)), dtype=np.int64)

    def reason(self, pool: Pool, position: int) -> str:
        words = pool.disputes[position].words if pool.disputes else ""
        return words or f"no label source contradicts another here; {uncertainty(pool, position)}"
