"""Which classes are noisy, and which ones people or the model take for each other."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ..arrays import Bools, Ints
from ..domain.quality import ClassNoise, ClassPair
from .label_errors import LabelErrors, MultilabelErrors

__all__ = ["choice_noise", "class_noise", "class_pairs", "health"]

SHOWN_PAIRS = 50


def class_noise(names: Sequence[str], labels: Ints, found: LabelErrors) -> tuple[ClassNoise, ...]:
    """Noise per class, in the order of `names`; classes that no row has and nothing suggests are left out.

    Args:
        labels: class per row, shape (N,), as given to `label_errors`.
    """
    classes = len(names)
    rows = np.bincount(labels, minlength=classes)
    suspects = np.bincount(labels[found.is_error], minlength=classes)
    missed = np.bincount(found.suggested[found.is_error], minlength=classes)
    return _noise(names, rows, suspects, missed)


def choice_noise(names: Sequence[str], labels: Bools, found: MultilabelErrors) -> tuple[ClassNoise, ...]:
    """Noise per choice of a multiple choice, as `class_noise`.

    Args:
        labels: choices per row, shape (N, K), as given to `multilabel_errors`.
    """
    turned = found.suggested != labels
    return _noise(names, labels.sum(axis=0), (turned & labels).sum(axis=0), (turned & ~labels).sum(axis=0))


def class_pairs(
    names: Sequence[str], labels: Ints, found: LabelErrors, answers: Sequence[Sequence[int]]
) -> tuple[ClassPair, ...]:
    """Pairs of classes that are taken for each other, the most often first, at most 50.

    A pair is listed in each direction that has suspects, and in the order of `names` where annotators alone mix it up.

    Args:
        labels: class per row, shape (N,), as given to `label_errors`.
        answers: the different classes that one text was answered with, per text.
    """
    suspects = Counter(zip(labels[found.is_error].tolist(), found.suggested[found.is_error].tolist(), strict=True))
    mixed = Counter(pair for classes in answers for pair in combinations(sorted(set(classes)), 2))
    directions = set(suspects) | {pair for pair in mixed if pair not in suspects and pair[::-1] not in suspects}
    pairs = [ClassPair(names[a], names[b], suspects[a, b], mixed[min(a, b), max(a, b)]) for a, b in sorted(directions)]
    return tuple(sorted(pairs, key=lambda pair: -(pair.rows + pair.disagreements))[:SHOWN_PAIRS])


def health(found: LabelErrors) -> float | None:
    """Estimated share of the judged labels that are right, or None where none was judged.

    `cleanlab.dataset.overall_label_health_score` with the same count of errors that the flags follow.
    """
    judged = int(found.is_judged.sum())
    return 1.0 - found.expected_errors / judged if judged else None


def _noise(names: Sequence[str], rows: Ints, suspects: Ints, missed: Ints) -> tuple[ClassNoise, ...]:
    counts = zip(names, rows.tolist(), suspects.tolist(), missed.tolist(), strict=True)
    return tuple(ClassNoise(*values) for values in counts if any(values[1:]))
