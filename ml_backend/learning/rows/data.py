"""Training data of a control's model: texts with answers and weights, taken from the rows of a snapshot.

For a single choice, the labels' names and the phrases of their hints are further train texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...arrays import Floats, Ints
from ...domain.example import Target
from ...domain.preference import Preference

__all__ = ["LabeledTexts", "PreferredResponses", "TrainingData"]


@dataclass(frozen=True, slots=True, eq=False)
class LabeledTexts:
    """Texts with what people answered.

    Attributes:
        weights: factor on the text's loss.
    """

    texts: tuple[str, ...]
    targets: tuple[Target, ...]
    weights: Floats

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def none(cls) -> "LabeledTexts":
        """No texts."""
        return cls((), (), np.zeros(0))

    def take(self, positions: Sequence[int] | Ints) -> "LabeledTexts":
        """The texts at these positions, in their order."""
        chosen = np.asarray(positions, dtype=np.int64)
        return LabeledTexts(
            tuple(self.texts[i] for i in chosen), tuple(self.targets[i] for i in chosen), self.weights[chosen]
        )

    def plus(self, other: "LabeledTexts", *, weight: float) -> "LabeledTexts":
        """These texts, then the other ones with their weights multiplied; without them for weight 0."""
        if weight == 0:
            return self
        return LabeledTexts(
            self.texts + other.texts,
            self.targets + other.targets,
            np.concatenate([self.weights, weight * other.weights]),
        )


@dataclass(frozen=True, slots=True)
class PreferredResponses:
    """Pairs of responses, and the model that goes on learning from them.

    Attributes:
        start: folder of the part of a bundle that holds the model.
        validation: may be empty; then epochs are scored by the experts' responses to validation prompts, against what
            the model writes to them before the training.
        digest: of the model and the pairs.
    """

    start: Path
    train: tuple[Preference, ...]
    validation: tuple[Preference, ...]
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Train and validation rows of one control.

    Attributes:
        control: its name.
        head: what is learned.
        labels: all of the label config, in its order.
        described: the labels' descriptions, of weight 1; trained on beside the rows where the head learns from
            them, never scored.
        validation: may be empty.
        row_texts: all that is read of the train rows, where the train texts are parts of it; empty: the train texts.
        weak: what label sources propose, trained on beside the rows like descriptions, and never scored either; where
            no person has labeled a train row, all that there is to train on.
        weak_row_texts: all that is read of these.
        weak_origins: see `origins`; None: no weak row is a copy.
        preferred: what is learned instead of the train rows; None: these.
        warnings: sentences on what was left out or is thin.
    """

    control: str
    head: str
    labels: tuple[str, ...]
    train: LabeledTexts
    described: LabeledTexts
    validation: LabeledTexts
    warnings: tuple[str, ...] = ()
    row_texts: tuple[str, ...] = ()
    weak: LabeledTexts = field(default_factory=LabeledTexts.none)
    weak_row_texts: tuple[str, ...] = ()
    weak_origins: Ints | None = None
    preferred: PreferredResponses | None = None

    def learned(self, description_weight: float) -> LabeledTexts:
        """All that is trained on: the train rows, then, beside them, the descriptions and the weak rows."""
        return self.train.plus(self.described, weight=description_weight).plus(self.weak, weight=1.0)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows people labeled, and how many label sources proposed."""
        return {"train_rows": len(self.train), "weak_rows": len(self.weak)}

    @property
    def leading(self) -> LabeledTexts:
        """The rows that settle how texts are read: the train rows, or the weak ones where there are none."""
        return self.train if len(self.train) else self.weak

    @property
    def without_weak(self) -> "TrainingData":
        """The same rows without the weak ones."""
        return replace(self, weak=LabeledTexts.none(), weak_row_texts=(), weak_origins=None)

    @property
    def origins(self) -> Ints:
        """Per weak row the positions of both train rows that an edited copy has parts of, or -1, -1; shape (W, 2)."""
        return np.full((len(self.weak), 2), -1) if self.weak_origins is None else self.weak_origins

    def plus_weak(self, weak: LabeledTexts, origins: Ints) -> "TrainingData":
        """The same rows, and further weak ones, which are copies of train rows."""
        return replace(
            self,
            weak=self.weak.plus(weak, weight=1.0),
            weak_row_texts=self.weak_row_texts + weak.texts,
            weak_origins=np.concatenate([self.origins, origins]),
        )
