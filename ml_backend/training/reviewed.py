"""Reviewed rows as an audit of their labels sees them, and the folds that judge them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..domain.example import Row
from ..domain.label_config import Control
from ..domain.snapshot import normalised
from .data import LabeledTexts
from .out_of_fold import Fold, dealt_out

__all__ = ["NO_CLASS", "ReviewedTexts", "grouped_folds"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_CLASS = -1


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedTexts:
    """Rows with their answers to one control, whether they can be learned from or not.

    Attributes:
        labels: all classes of the label config, in its order.
        indices: class per row, shape (N,); -1 where there is no text, or no answer that the config knows.
        described: the labels' names and the phrases of their hints, which are learned from as well.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    indices: Ints
    described: LabeledTexts

    @classmethod
    def of(cls, rows: Sequence[Row], control: Control) -> "ReviewedTexts":
        """The rows' texts and classes, in their order."""
        labels = control.label_values
        index = {label: k for k, label in enumerate(labels)}
        texts = tuple(row.input.get(control.object.field or "", "") for row in rows)
        targets = [row.targets.get(control.name) for row in rows]
        known = [
            index.get(target, NO_CLASS) if isinstance(target, str) and text.strip() else NO_CLASS
            for text, target in zip(texts, targets, strict=True)
        ]
        described = [(text, label.value) for label in control.labels for text in label.descriptions]
        return cls(
            labels,
            texts,
            np.array(known, dtype=np.int64),
            LabeledTexts(
                tuple(text for text, _ in described),
                tuple(label for _, label in described),
                np.array([index[label] for _, label in described], dtype=np.int64),
                np.ones(len(described)),
            ),
        )

    def groups(self) -> Ints:
        """A number per row, the same for texts that normalise alike."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(normalised(text), len(numbers)) for text in self.texts], dtype=np.int64)

    def learned(self, trust: Floats | None = None) -> LabeledTexts:
        """The rows, then the descriptions; those of class -1 must not be trained on.

        Args:
            trust: factor on the loss per row, shape (N,); None: all alike.
        """
        weights = np.ones(len(self.texts)) if trust is None else trust
        targets = tuple(self.labels[k] if k != NO_CLASS else "" for k in self.indices)
        rows = LabeledTexts(self.texts, targets, self.indices, weights)
        return rows.plus(self.described, weight=1.0)


def grouped_folds(reviewed: ReviewedTexts, *, folds: int, seed: int) -> list[Fold]:
    """Folds that score every row once; texts that normalise alike are always in the same one.

    Every class is dealt out over the folds evenly, its texts counted once, and all descriptions are trained on in
    every fold: their positions follow those of the rows. A fold whose train rows have a single class is left out.
    """
    groups, rows = reviewed.groups(), len(reviewed.texts)
    members: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for group, k in zip(groups.tolist(), reviewed.indices.tolist(), strict=True):
        members[group][k] += 1
    classes = np.array([_main_class(members[group]) for group in range(len(members))], dtype=np.int64)
    number_of = dealt_out(classes, min(folds, max(2, len(classes))), np.random.default_rng(seed))[groups]
    described = np.arange(rows, rows + len(reviewed.described))
    known = np.concatenate([reviewed.indices, reviewed.described.indices])
    made = []
    for number in np.unique(number_of):
        learned = np.flatnonzero((number_of != number) & (reviewed.indices != NO_CLASS))
        train = np.concatenate([learned, described])
        if len(np.unique(known[train])) > 1:
            made.append(Fold(train=train, scored=np.flatnonzero(number_of == number)))
    return made


def _main_class(counts: Counter[int]) -> int:
    usable = sorted((-count, k) for k, count in counts.items() if k != NO_CLASS)
    return usable[0][1] if usable else NO_CLASS
