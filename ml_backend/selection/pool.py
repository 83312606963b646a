"""The texts to choose from, and what is known of them before anybody has labeled them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..arrays import Floats, Floats2d, Ints

__all__ = ["Dispute", "ExpectedAnswers", "Pool"]


class Dispute(NamedTuple):
    """A contradiction between label sources about a text, or between one and the model.

    Attributes:
        strength: the least trust in one of both sides, from 0 to 1; 0: there is none.
        words: what both say.
    """

    strength: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedAnswers:
    """The answers to one control that a model would give to the texts of a pool.

    The model has seen none of the texts.

    Attributes:
        control: its name.
        labels: the labels that it offers; none where responses are written.
        label_counts: labeled rows that have each label, shape (K,).
        confidence: the chance that the whole answer is right, from 0 to 1, shape (N,); of spans and responses the
            geometric mean over the words, as longer texts would otherwise always be the least certain.
        probabilities: of each label, shape (N, K); None where answers are not chosen from the labels.
        is_one_label: the probabilities exclude each other and sum to 1.
    """

    control: str
    labels: tuple[str, ...]
    label_counts: Ints
    confidence: Floats
    probabilities: Floats2d | None = None
    is_one_label: bool = False

    @property
    def margin(self) -> Floats:
        """How far the answer is ahead of the next best one, from 0 to 1, shape (N,).

        Of labels that exclude each other: the difference between the first and the second. Of other labels: the least
        difference between the chance of having one and of not having it. Otherwise the confidence.
        """
        if self.probabilities is None or not self.probabilities.shape[1]:
            return self.confidence
        if not self.is_one_label:
            return np.asarray(np.abs(2 * self.probabilities - 1).min(axis=1), dtype=np.float64)
        if self.probabilities.shape[1] == 1:
            return np.ones(len(self.probabilities))
        best = np.partition(self.probabilities, -2, axis=1)[:, -2:]
        return np.asarray(best[:, 1] - best[:, 0], dtype=np.float64)

    @property
    def doubt(self) -> Floats:
        """How undecided the whole answer is, from 0 to 1, shape (N,).

        1 less the margin of labels that exclude each other, and elsewhere 1 less the confidence: of several labels the
        least certain one says less about an answer than all together do.
        """
        return 1.0 - (self.margin if self.is_one_label else self.confidence)

    def take(self, positions: Ints) -> "ExpectedAnswers":
        """Return what is expected of the texts at these positions."""
        chances = None if self.probabilities is None else self.probabilities[positions]
        return replace(self, confidence=self.confidence[positions], probabilities=chances)

    @property
    def entropy(self) -> Floats:
        """The entropy of the answer in nats, summed over labels that do not exclude each other, shape (N,)."""
        chances = self.confidence[:, None] if self.probabilities is None else self.probabilities
        inside = np.clip(chances.astype(np.float64), 1e-12, 1.0)
        total = -(inside * np.log(inside)).sum(axis=1)
        if not self.is_one_label or self.probabilities is None:
            outside = np.clip(1.0 - chances.astype(np.float64), 1e-12, 1.0)
            total -= (outside * np.log(outside)).sum(axis=1)
        return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Texts without a label, beside the labeled ones.

    Attributes:
        features: of the texts, vectors of length 1 from the frozen base model, shape (N, D).
        labeled: the same of the labeled texts, shape (M, D).
        answers: per control; empty where there is nothing to learn from yet.
        disputes: what label sources contradict each other about, per text; empty where none were asked.
        seed: of everything that is drawn at random.
    """

    features: Floats2d
    labeled: Floats2d
    answers: Sequence[ExpectedAnswers] = ()
    seed: int = 0
    disputes: Sequence[Dispute] = ()

    def __len__(self) -> int:
        return len(self.features)

    def take(self, positions: Ints) -> "Pool":
        """Return the pool of the texts at these positions."""
        return replace(
            self,
            features=self.features[positions],
            answers=[each.take(positions) for each in self.answers],
            disputes=[self.disputes[i] for i in positions.tolist()] if self.disputes else (),
        )

    @property
    def doubt(self) -> Floats:
        """How undecided the answer to the least decided control is, from 0 to 1, shape (N,).

        1 before anything is learned.
        """
        if not self.answers:
            return np.ones(len(self))
        return self.worst([each.doubt for each in self.answers])

    def worst(self, doubts: Sequence[Floats]) -> Floats:
        """The greatest doubt per text over the controls, given one line of doubts per control; 0 without any."""
        return np.asarray(np.max([np.zeros(len(self)), *doubts], axis=0), dtype=np.float64)

    def rng(self) -> np.random.Generator:
        """A new generator, the same for the same labels and seed."""
        return np.random.default_rng((self.seed, len(self.labeled)))
