"""Numbers: those far from what a model expects."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Codes, Floats, Floats2d
from ...domain.example import Target
from ...domain.quality import IssueKind
from ...tasks.numbers import middle_number
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings, LabelJudge

__all__: list[str] = []

FAR = 5.0
"""As many times the median distance as a number must be off to be suspect: of the errors of a normal distribution 7 in
10,000 are, of those of a Laplace distribution 3 in 100."""


class NumberJudge(LabelJudge):
    """Judges how far a number is from the one that a model expects of the text, against how far others are."""

    head = "number"

    def probabilities(self, logits: Floats2d) -> Floats2d:
        """Return the logits: the number expected, and the logarithm of how far it may be off."""
        return logits

    def answer_shares(self, codes: Codes, columns: int) -> Floats2d:
        """Return what is expected of a text that tells nothing: the median, and the mean distance from it."""
        return np.array([np.median(codes) if len(codes) else 0.0, *[0.0] * (columns - 1)], dtype=np.float32)

    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:  # noqa: ARG002
        """Take the middle one of the numbers; how sure it is, is the share of annotators who gave that very number."""
        targets: list[Target | None] = []
        confidence = []
        for line in answers.codes:
            votes = [answers.targets[code] for code in line[line != AnswerMatrix.UNANSWERED].tolist()]
            middle = middle_number(votes, lambda *_: True) if votes else None
            targets.append(middle)
            confidence.append(sum(vote == middle for vote in votes) / len(votes) if votes else 1.0)
        return Consensus(answers, targets, confidence, [None] * len(answers.annotators), answers.agreement())

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        """Flag the numbers that are far off; a row's quality is the share of numbers that are at least as far off."""
        if predictions.codes is None:
            raise TypeError("expected numbers without the given ones found; wanted both")
        positions = [row.position for row in rows]
        expected = np.asarray(predictions.probabilities, dtype=np.float64)[positions]
        given = np.asarray(predictions.codes, dtype=np.float64)[positions, 0]
        distance: Floats = np.abs(given - expected[:, 0]) / np.exp(np.clip(expected[:, 1], -5.0, 3.0))
        typical = float(np.median(distance))
        is_far = distance > FAR * typical if typical > 0 else np.zeros(len(rows), dtype=np.bool_)
        quality = np.searchsorted(np.sort(-distance), -distance, side="right") / len(distance)
        return LabelFindings(
            quality={row.row.task_id: float(quality[i]) for i, row in enumerate(rows)},
            issues=[
                rows[i].issue(IssueKind.LABEL_ERROR, float(quality[i]), control=predictions.control.name)
                for i in np.flatnonzero(is_far).tolist()
            ],
            health=1.0 - float(is_far.mean()),
        )
