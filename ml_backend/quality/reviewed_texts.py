"""Reviewed rows as an audit of their labels sees them, and the folds that predict their answers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Bools, Ints
from ..domain.example import Row, Target
from ..domain.field_texts import readable_text
from ..domain.label_config import Control
from ..domain.snapshot import normal_form
from ..learning.objectives.base import Objective
from ..learning.rows.data import LabeledTexts
from ..learning.rows.folds import Fold, deal_out
from ..tasks import ServedControl

__all__ = ["ReviewedTexts"]


NO_STRATUM = -1


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedTexts:
    """Rows with their answers to one control, whether they can be learned from or not.

    Attributes:
        targets: per row its answer; None where there is no text, or no answer that the config knows.
        described: the labels' names and the phrases of their hints, which single choices learn from as well.
    """

    control: Control
    head: str
    texts: tuple[str, ...]
    targets: tuple[Target | None, ...]
    described: LabeledTexts

    @classmethod
    def of(cls, rows: Sequence[Row], served: ServedControl) -> "ReviewedTexts":
        """Return the rows' texts and answers, in their order."""
        control = served.control
        labels = set(control.label_values)
        own = [control.text_in(row.text) for row in rows]
        # Texts that are compared or offered must stay apart: made one, they would read alike.
        texts = tuple(own if control.reads_apart else map(readable_text, own))
        targets = [row.targets.get(control.name) for row in rows]
        described = [(text, label.value) for label in control.labels for text in label.descriptions]
        return cls(
            control,
            served.kind.head,
            texts,
            tuple(
                target
                if target is not None and text.strip() and labels.issuperset(served.kind.labels_in(target))
                else None
                for text, target in zip(texts, targets, strict=True)
            ),
            LabeledTexts(
                tuple(text for text, _ in described), tuple(label for _, label in described), np.ones(len(described))
            ),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the label config, in its order."""
        return self.control.label_values

    @property
    def is_usable(self) -> Bools:
        """The rows that can be learned from, shape (N,)."""
        return np.array([target is not None for target in self.targets], dtype=np.bool_)

    def groups(self) -> Ints:
        """Return a number per row, the same for texts that normalise alike."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(normal_form(text), len(numbers)) for text in self.texts], dtype=np.int64)

    def take(self, positions: Ints) -> "ReviewedTexts":
        """Return the rows at these positions, in their order."""
        return replace(
            self, texts=tuple(self.texts[i] for i in positions), targets=tuple(self.targets[i] for i in positions)
        )

    def learned(self, objective: Objective) -> LabeledTexts:
        """Return the rows, then the descriptions where they are learned from. Rows that are not usable must not be."""
        rows = LabeledTexts(
            self.texts, tuple(() if target is None else target for target in self.targets), np.ones(len(self.texts))
        )
        return rows.plus(self.described, weight=1.0 if objective.learns_descriptions else 0.0)

    def grouped_folds(self, objective: Objective, *, folds: int, seed: int) -> list[Fold]:
        """Return folds that score every row once; texts that normalise alike are always in the same one.

        Every stratum is dealt out over the folds evenly, its texts counted once, and all descriptions that are learned
        from are trained on in every fold: their positions follow those of the rows. A fold whose train rows nothing can
        be learned from is left out.
        """
        groups, rows, is_usable = self.groups(), len(self.texts), self.is_usable
        learned = self.learned(objective)
        strata = np.full(rows, NO_STRATUM, dtype=np.int64)
        strata[is_usable] = objective.strata([target for target in self.targets if target is not None])
        members: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for group, k in zip(groups.tolist(), strata.tolist(), strict=True):
            members[group][k] += 1
        main = np.array([_main_stratum(members[group]) for group in range(len(members))], dtype=np.int64)
        number_of = deal_out(main, min(folds, max(2, len(main))), np.random.default_rng(seed))[groups]
        described = np.arange(rows, len(learned))
        fold_list = []
        for number in np.unique(number_of):
            train = np.concatenate([np.flatnonzero((number_of != number) & is_usable), described])
            if len(train) and objective.why_unusable([learned.targets[i] for i in train]) is None:
                fold_list.append(Fold(train=train, scored=np.flatnonzero(number_of == number)))
        return fold_list


def _main_stratum(counts: Counter[int]) -> int:
    usable = sorted((-count, k) for k, count in counts.items() if k != NO_STRATUM)
    return usable[0][1] if usable else NO_STRATUM
