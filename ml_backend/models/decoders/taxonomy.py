"""Labels inside labels, per text: a label never without those that it lies inside.

The likeliest set is found among the sets that keep to that, not label by label. Label by label, chances that are right
may leave a label without its parent.
"""

from collections.abc import Sequence

import numpy as np

from ...arrays import Bools, Floats, Ints
from ...domain.example import Target
from ...domain.label_config import parent_of
from ..text.confidence import log_odds
from .sigmoid import SigmoidDecoder

__all__ = ["TaxonomyDecoder", "with_parents"]


class TaxonomyDecoder(SigmoidDecoder):
    """The likeliest set of labels in which every label stands with its parents.

    Attributes:
        labels: each after its parent, named by its whole path.
        is_one_path: an answer is one label with its parents.
        may_be_empty: no label at all is an answer, too.
    """

    head = "taxonomy"
    is_named = True
    is_one_path: bool = False
    may_be_empty: bool = True

    @classmethod
    def answer_named(cls, label: str) -> Target:
        return with_parents([label])

    def chosen(self, probabilities: Floats) -> Bools:
        """Which labels the likeliest set holds, shape (N, K)."""
        parents = _parents(self.labels)
        if self.is_one_path:
            return self._one_path(log_odds(probabilities), parents)
        gains = log_odds(probabilities) - log_odds(np.array(self.thresholds or [0.5] * len(self.labels)))
        # What a label gains with the best of what lies inside it, from the inside out; then what is kept, from outside.
        for place in reversed(range(len(parents))):
            if parents[place] >= 0:
                gains[:, parents[place]] += np.maximum(gains[:, place], 0.0)
        kept = gains >= 0
        for place, parent in enumerate(parents.tolist()):
            if parent >= 0:
                kept[:, place] &= kept[:, parent]
        return np.asarray(kept, dtype=np.bool_)

    def _one_path(self, odds: Floats, parents: Ints) -> Bools:
        sums = odds.copy()
        inside = np.eye(len(parents), dtype=np.bool_)
        for place, parent in enumerate(parents.tolist()):
            if parent >= 0:
                sums[:, place] += sums[:, parent]
                inside[place] |= inside[parent]
        best = sums.argmax(axis=1)
        chosen = inside[best]
        if self.may_be_empty:
            chosen &= (sums[np.arange(len(sums)), best] >= 0)[:, None]
        return np.asarray(chosen, dtype=np.bool_)


def with_parents(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels and all that they lie inside, sorted."""
    found = set(labels)
    for label in labels:
        while (label := parent_of(label)) and label not in found:
            found.add(label)
    return tuple(sorted(found))


def _parents(labels: Sequence[str]) -> Ints:
    """Return the place of each label's parent, -1 where it has none among the labels."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places.get(parent_of(label), -1) for label in labels], dtype=np.int64)
