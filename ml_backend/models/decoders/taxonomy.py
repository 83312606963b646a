"""Labels inside labels, per text: a label never without those that it lies inside.

Where answers are one label with its parents, the innermost label is one of all; a parent's chance is the sum of those
that lie inside it. Elsewhere every label has its chance alone, and the likeliest set is found among the sets that
keep labels with their parents: label by label, chances that are right may leave a label without its parent.
"""

from collections.abc import Sequence

import numpy as np

from ...arrays import Bools, Floats, Floats2d, Ints
from ...domain.example import Target
from ...domain.label_config import parent_of
from ..text.confidence import confidences, log_odds
from .sigmoid import SigmoidDecoder

__all__ = ["TaxonomyDecoder", "with_parents"]


class TaxonomyDecoder(SigmoidDecoder):
    """The likeliest set of labels in which every label stands with its parents.

    Attributes:
        labels: each after its parent, named by its whole path.
        is_one_path: an answer is one label with its parents, and never none.
        temperature: where it is, the logits are divided by it before the softmax over the innermost labels.
    """

    head = "taxonomy"
    is_named = True
    is_one_path: bool = False
    temperature: float = 1.0

    @classmethod
    def answer_named(cls, label: str) -> Target:
        return with_parents([label])

    def probabilities(self, logits: Floats2d) -> Floats:
        if not self.is_one_path:
            return super().probabilities(logits)
        chances = confidences(logits, self.temperature)
        parents = _parents(self.labels)
        for place in reversed(range(len(parents))):
            if parents[place] >= 0:
                chances[:, parents[place]] += chances[:, place]
        return chances

    def joint(self, probabilities: Floats) -> Floats:
        return self._innermost(probabilities).max(axis=1) if self.is_one_path else super().joint(probabilities)

    def chosen(self, probabilities: Floats) -> Bools:
        """Which labels the likeliest set holds, shape (N, K)."""
        parents = _parents(self.labels)
        if self.is_one_path:
            inside = np.eye(len(parents), dtype=np.bool_)
            for place, parent in enumerate(parents.tolist()):
                if parent >= 0:
                    inside[place] |= inside[parent]
            return np.asarray(inside[self._innermost(probabilities).argmax(axis=1)], dtype=np.bool_)
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

    def _innermost(self, probabilities: Floats) -> Floats:
        """The chance of each label to be the innermost one, shape (N, K): its chance less those of the labels in it."""
        own = probabilities.copy()
        for place, parent in enumerate(_parents(self.labels).tolist()):
            if parent >= 0:
                own[:, parent] -= probabilities[:, place]
        return own


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
