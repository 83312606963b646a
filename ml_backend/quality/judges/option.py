"""One of a text's own options per row."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ...arrays import AnyFloats, Bools, Codes, Floats, Floats2d
from ...domain.example import Target
from ...domain.quality import IssueKind
from ...models.text.confidence import Logistic, confidences, log_odds
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings, LabelJudge

__all__ = ["OptionJudge"]


class OptionJudge(LabelJudge):
    """Judges the chosen option against the others of its text.

    It is suspect where another option is likelier than chosen ones are on average: confident learning (Northcutt, Jiang
    and Chuang 2021) with one threshold, since options are no classes.
    """

    head = "option"

    def probabilities(self, logits: Floats2d) -> Floats2d:
        return np.asarray(Logistic().of_log_odds(logits), dtype=np.float32)

    def answer_shares(self, codes: Codes, columns: int) -> Floats2d:  # noqa: ARG002 (nothing is known without a text)
        return np.full(columns, 0.5, dtype=np.float32)

    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:  # noqa: ARG002
        """Take the answer that most annotators gave; how sure it is, is their share."""
        targets: list[Target | None] = []
        confidence = []
        for line in answers.codes.tolist():
            votes = Counter(code for code in line if code != AnswerMatrix.UNANSWERED).most_common(1)
            targets += [answers.targets[code] for code, _ in votes] or [None]
            given = sum(code != AnswerMatrix.UNANSWERED for code in line)
            confidence.append(votes[0][1] / given if votes else 1.0)
        return Consensus(
            answers, targets, confidence, [None] * len(answers.annotators), answers.agreement(self.likeness)
        )

    def likeness(self, one: Target, other: Target) -> float:
        """Return how like two annotators' answers to the same text are, from 0 to 1."""
        return AnswerMatrix.answer_f1(one, other)

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        chances = [confidences(log_odds(each.astype(np.float64)).T, 1.0)[0] for each in _own(rows, predictions)]
        names = [predictions.texts.names[row.position] if predictions.texts else () for row in rows]
        given = np.array(
            [
                float(own[list(ids).index(str(row.agreed))]) if row.agreed in ids else 0.0
                for row, own, ids in zip(rows, chances, names, strict=True)
            ]
        )
        likely = [ids[int(own.argmax())] if len(ids) else "" for own, ids in zip(chances, names, strict=True)]
        greatest = np.array([own.max(initial=0.0) for own in chances])
        differs = np.array([name != row.agreed for name, row in zip(likely, rows, strict=True)])
        return self.findings(rows, predictions, given, (greatest >= given.mean()) & differs, likely)

    def findings(
        self,
        rows: Sequence[AnnotatedRow],
        predictions: OutOfSamplePredictions,
        quality: Floats,
        is_error: Bools,
        suggested: Sequence[Target | None],
    ) -> LabelFindings:
        """Return what was found, given the quality of each row's answer and what would be answered instead."""
        control = predictions.control.name
        return LabelFindings(
            quality={row.row.task_id: float(quality[i]) for i, row in enumerate(rows)},
            issues=[
                rows[i].issue(IssueKind.LABEL_ERROR, float(quality[i]), control=control, suggested=suggested[i])
                for i in np.flatnonzero(is_error).tolist()
            ],
            health=1.0 - float(np.mean(is_error)),
        )


def _own(rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions) -> Iterator[AnyFloats]:
    """Yield the chances of each row's options, shape (K, 1)."""
    for row in rows:
        if predictions.texts is None:
            raise TypeError("chances of options without the texts that offer them found; wanted both")
        yield np.asarray(predictions.probabilities[predictions.texts.units_of([row.position]), :1])
