"""Answers that are expected of texts, by a regression on frozen features that learns from the labeled rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..arrays import Floats2d
from ..learning.objectives.base import Objective
from ..learning.rows.data import LabeledTexts
from ..learning.rows.encoded import EncodedRows
from ..models.bundle.head import Head
from ..models.decoders.base import WholeTextDecoder
from ..models.text.tokenised import TokenisedTexts
from .pool import ExpectedAnswers

__all__ = ["LearnedAnswers", "encoded_vectors", "pieces_of_vectors"]

ITERATIONS = 100
"""Short of the solver's end, and close enough to tell which texts are uncertain."""
ANSWERED_AT_ONCE = 4096

Block = tuple[Floats2d, TokenisedTexts]
"""Features of pieces, shape (P, D), and the texts that they are from."""


@dataclass(frozen=True, slots=True, eq=False)
class LearnedAnswers:
    """A regression for one control.

    Attributes:
        control: its name.
        objective: prepared.
        label_counts: labeled rows by label.
    """

    control: str
    objective: Objective
    head: Head
    label_counts: Counter[str]

    @classmethod
    def of(
        cls, control: str, objective: Objective, features: Floats2d, encoded: EncodedRows, label_counts: Counter[str]
    ) -> "LearnedAnswers | None":
        """Learn from labeled rows; None where nothing can be learned from them.

        Args:
            objective: prepared.
            features: of the encoded rows' pieces, shape (P, D).
        """
        if not len(encoded) or objective.why_unusable(encoded.rows.targets) is not None:
            return None
        c = objective.hyperparameters(None, len(encoded)).regression_c
        head = objective.regression(features, encoded, c=c, max_iterations=ITERATIONS)
        return cls(control, objective, head, label_counts)

    def expected(self, blocks: Iterable[Block]) -> ExpectedAnswers:
        """Return the answers expected of the texts of all blocks, in order."""
        decoder, labels = self.objective.decoder, self.objective.labels
        confidence: list[float] = []
        probabilities = [np.zeros((0, len(labels)), dtype=np.float32)]
        has_chances = isinstance(decoder, WholeTextDecoder)
        for features, texts in blocks:
            answers = decoder.answers(decoder.logits(self.head, features, texts), texts)
            units = np.maximum(np.diff(texts.unit_starts), 1)
            confidence += [answer.score ** (1 / int(count)) for answer, count in zip(answers, units, strict=True)]
            if has_chances:
                flat = chain.from_iterable((answer.scores[label] for label in labels) for answer in answers)
                values = np.fromiter(flat, np.float32, len(answers) * len(labels))
                probabilities.append(values.reshape(len(answers), len(labels)))
        return ExpectedAnswers(
            self.control,
            labels,
            np.array([self.label_counts[label] for label in labels], dtype=np.int64),
            np.array(confidence, dtype=np.float64),
            np.concatenate(probabilities) if has_chances else None,
            is_one_label=decoder.is_one_label,
        )


def pieces_of_vectors(features: Floats2d) -> Iterator[Block]:
    """Yield texts that are one piece each, given a vector per text, shape (N, D)."""
    for start in range(0, len(features), ANSWERED_AT_ONCE):
        part = features[start : start + ANSWERED_AT_ONCE]
        yield part, TokenisedTexts.whole([[0]] * len(part))


def encoded_vectors(objective: Objective, rows: LabeledTexts) -> EncodedRows:
    """Return rows that are one piece each, as the objective learns them."""
    tokenised = TokenisedTexts.whole([[0]] * len(rows))
    return EncodedRows(rows, tokenised, objective.codes(rows.targets, tokenised))
