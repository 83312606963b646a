"""Pools of texts whose labels are bought one by one: a learner on frozen features, and what a strategy sees of it."""

import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.entities import read_rows as read_sentences
from benchmarks.multilabel import target_of
from benchmarks.support.texts import read_pairs
from ml_backend.arrays import Floats2d, Ints
from ml_backend.domain.example import Target, label_of, parts_of
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import LabeledTexts
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.selection.answers import LearnedAnswers, encoded_vectors, pieces_of_vectors
from ml_backend.selection.pool import Pool

__all__ = ["POOLS", "LabelPool"]

Rows = Sequence[tuple[str, Target]]
NEAR_DUPLICATES, DIFFERENT_TEXTS = 10_000, 2_500
TEST_FOLDS = (18, 19)


class LabelPool(ABC):
    """Rows that are labeled when a strategy asks for them, and the test rows that the learner is measured on.

    Attributes:
        name: as users write it.
        head: how the rows are answered.
        measure: what the scores are.
        target: the score whose crossing is reported.
    """

    name: str
    head: str
    measure: str
    target: float

    def __init__(self, rows: Rows, test: Rows, encoder: TextEncoder) -> None:
        self.texts = [text for text, _ in rows]
        self.targets = [target for _, target in rows]
        self.test = LabeledTexts(*_columns(test), np.ones(len(test)))
        self.labels = tuple(sorted({label_of(part) for target in self.targets for part in parts_of(target)}))
        self.encoder = encoder
        self.features = encoder.embed(self.texts)

    def learn(self, labeled: Ints) -> LearnedAnswers | None:
        """Fit the learner on these rows."""
        objective = Objective.of(self.head, self.labels)
        rows = LabeledTexts(
            tuple(self.texts[i] for i in labeled), tuple(self.targets[i] for i in labeled), np.ones(len(labeled))
        )
        objective.prepare(self.encoder, rows)
        features, encoded = self.encoded(objective, rows, labeled)
        counts = Counter(label_of(part) for target in rows.targets for part in parts_of(target))
        return LearnedAnswers.of(self.name, objective, features, encoded, counts)

    def pool(self, left: Ints, labeled: Ints, learned: LearnedAnswers | None, seed: int) -> Pool:
        """Return the pool that a strategy chooses from."""
        answers = [] if learned is None else [learned.expected(self.blocks(left))]
        return Pool(self.features[left], self.features[labeled], answers, seed)

    @abstractmethod
    def encoded(self, objective: Objective, rows: LabeledTexts, labeled: Ints) -> tuple[Floats2d, EncodedRows]:
        """Features and rows as the learner takes them."""

    @abstractmethod
    def blocks(self, positions: Ints) -> Iterator:
        """Features and texts of these rows, block by block."""

    @abstractmethod
    def score(self, learned: LearnedAnswers | None) -> float:
        """The learner's score on the test rows."""


class WholeTexts(LabelPool):
    """Whole texts are labeled."""

    def encoded(self, objective: Objective, rows: LabeledTexts, labeled: Ints) -> tuple[Floats2d, EncodedRows]:
        return self.features[labeled], encoded_vectors(objective, rows)

    def blocks(self, positions: Ints) -> Iterator:
        return pieces_of_vectors(self.features[positions])

    @cached_property
    def test_features(self) -> Floats2d:
        return self.encoder.embed(self.test.texts)

    def score(self, learned: LearnedAnswers | None) -> float:
        if learned is None:
            return 0.0
        decoder = learned.objective.decoder
        answers = decoder.answers(
            learned.head.logits(self.test_features), encoded_vectors(learned.objective, self.test).tokenised
        )
        evaluation = Evaluation.of(list(self.test.targets), [answer.target for answer in answers])
        return evaluation.accuracy if self.measure == "accuracy" else evaluation.micro_f1


class Banking77(WholeTexts):
    """77 intents, one per text."""

    name, head, measure, target = "banking77", "softmax", "accuracy", 0.85

    def __init__(self, folder: Path, encoder: TextEncoder) -> None:
        super().__init__(list(read_pairs(folder / "train.csv")), list(read_pairs(folder / "test.csv")), encoder)


class NearDuplicates(WholeTexts):
    """A quarter of Banking77's texts; few come many times, with edits that change no meaning."""

    name, head, measure, target = "near-duplicates", "softmax", "accuracy", 0.8

    def __init__(self, folder: Path, encoder: TextEncoder) -> None:
        pairs = list(read_pairs(folder / "train.csv"))
        super().__init__(_repeated(pairs), list(read_pairs(folder / "test.csv")), encoder)


class NluppBanking(WholeTexts):
    """48 intents, several per text."""

    name, head, measure, target = "nlupp", "sigmoid", "micro-F1", 0.75

    def __init__(self, folder: Path, encoder: TextEncoder) -> None:
        lines = (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [(row["fold"] in TEST_FOLDS, (str(row["text"]), target_of(row))) for row in map(json.loads, lines)]
        super().__init__(
            [row for is_test, row in rows if not is_test], [row for is_test, row in rows if is_test], encoder
        )


class Wnut17(LabelPool):
    """Six types of entities in noisy texts."""

    name, head, measure, target = "wnut17", "tags", "strict F1", 0.2

    def __init__(self, folder: Path, encoder: TextEncoder) -> None:
        super().__init__(read_sentences(folder / "train.conll"), read_sentences(folder / "test.conll"), encoder)
        objective = Objective.of(self.head, self.labels)
        rows = LabeledTexts(tuple(self.texts), tuple(self.targets), np.ones(len(self.texts)))
        objective.prepare(encoder, rows)  # the unit is settled once, by all rows
        self._objective = objective
        self._rows, self._test = objective.encode(encoder, rows), objective.encode(encoder, self.test)
        self._vectors, self._test_vectors = (encoder.vectors(each.tokenised) for each in (self._rows, self._test))

    def learn(self, labeled: Ints) -> LearnedAnswers | None:
        counts = Counter(label_of(part) for i in labeled for part in parts_of(self.targets[i]))
        features, encoded = self.encoded(self._objective, self.test, labeled)
        return LearnedAnswers.of(self.name, self._objective, features, encoded, counts)

    def encoded(self, _objective: Objective, _rows: LabeledTexts, labeled: Ints) -> tuple[Floats2d, EncodedRows]:
        return self._vectors[self._rows.tokenised.pieces_of(labeled)], self._rows.take(labeled)

    def blocks(self, positions: Ints) -> Iterator:
        yield self._vectors[self._rows.tokenised.pieces_of(positions)], self._rows.tokenised.take(positions)

    def score(self, learned: LearnedAnswers | None) -> float:
        if learned is None:
            return 0.0
        decoder, tokenised = learned.objective.decoder, self._test.tokenised
        answers = decoder.answers(decoder.logits(learned.head, self._test_vectors, tokenised), tokenised)
        return Evaluation.of(list(self.test.targets), [answer.target for answer in answers]).micro_f1


POOLS = {kind.name: kind for kind in (Banking77, NearDuplicates, NluppBanking, Wnut17)}


def _columns(rows: Rows) -> tuple[tuple[str, ...], tuple[Target, ...]]:
    return tuple(text for text, _ in rows), tuple(target for _, target in rows)


def _repeated(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Texts of which the k-th comes in proportion to 1 / k, each copy edited; the same ones every time."""
    draw = random.Random(1)
    chosen = draw.sample(list(pairs), DIFFERENT_TEXTS)
    weights = [1 / (k + 10) for k in range(DIFFERENT_TEXTS)]
    copies = draw.choices(chosen, weights, k=NEAR_DUPLICATES - DIFFERENT_TEXTS)
    repeated = dict.fromkeys([*chosen, *((_edited(text, draw), label) for text, label in copies)])
    rows = list(repeated)
    draw.shuffle(rows)
    return rows


def _edited(text: str, draw: random.Random) -> str:
    for _ in range(draw.choice((1, 1, 2, 3))):
        text = draw.choice(EDITS)(text, draw)
    return text


def _mistyped(text: str, draw: random.Random) -> str:
    words = text.split()
    at = draw.randrange(len(words))
    if len(words[at]) < 5:
        return text
    letter = draw.randrange(1, len(words[at]) - 2)
    word = words[at]
    words[at] = word[:letter] + word[letter + 1] + word[letter] + word[letter + 2 :]
    return " ".join(words)


EDITS = (
    lambda text, draw: f"{draw.choice(('Hi', 'Hello', 'Hey', 'Good morning'))}{draw.choice((', ', ' ', '! '))}{text}",
    lambda text, draw: (
        f"{text.rstrip('.?! ')}{draw.choice((' please', ', thanks', ' pls', ' thank you', ', please?'))}"
    ),
    lambda text, draw: f"{text.rstrip('.?! ')}{draw.choice(('', '.', '?', '!', '??', '...'))}",
    lambda text, draw: draw.choice((str.lower, str.upper, str.capitalize))(text),
    _mistyped,
)
