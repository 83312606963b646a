"""Choose texts that may have a label of which there are few rows."""

import numpy as np

from ...arrays import Floats
from ..pool import ExpectedAnswers, Pool
from .base import UncertaintyStrategy

__all__: list[str] = []


class RareStrategy(UncertaintyStrategy):
    """The chance of each label, weighted by how few rows have it."""

    name = "rare"
    needs_labels = True

    def doubts(self, answers: ExpectedAnswers) -> Floats:
        if answers.probabilities is None:
            return np.zeros(len(answers.confidence))
        return np.asarray(answers.probabilities @ _weights(answers), dtype=np.float64)

    def reason(self, pool: Pool, position: int) -> str:
        parts = []
        for each in pool.answers:
            if each.probabilities is not None:
                label = int((each.probabilities[position] * _weights(each)).argmax())
                chance, rows = each.probabilities[position, label], int(each.label_counts[label])
                parts.append((chance, f"may be {each.labels[label]!r} ({chance:.0%}), which has {rows} rows so far"))
        return max(parts)[1]


def _weights(answers: ExpectedAnswers) -> Floats:
    """Return 1 for a label without rows, and less the more rows it has, shape (K,)."""
    return np.asarray(1.0 / np.sqrt(answers.label_counts + 1.0), dtype=np.float64)
