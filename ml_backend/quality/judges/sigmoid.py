"""Multiple choices: any number of labels per row."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from ...arrays import AnyFloats, Bools, Codes, Floats2d
from ...domain.example import Target, parts_of
from ...domain.quality import IssueKind
from ...models.text.confidence import Logistic
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus, crowdlab
from ..label_errors import label_errors
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings, LabelJudge

__all__: list[str] = []


LOWEST_WEIGHT = 0.8
"""Share of the least likely choice in an answer's quality: `ExponentialMovingAverage` of cleanlab."""


class SigmoidJudge(LabelJudge):
    """Judges each choice by itself."""

    head = "sigmoid"

    def probabilities(self, logits: Floats2d) -> Floats2d:
        return np.asarray(Logistic().of_log_odds(logits), dtype=np.float32)

    def answer_shares(self, codes: Codes, columns: int) -> Floats2d:  # noqa: ARG002 (codes have a column per label)
        return np.asarray((codes.sum(axis=0) + 1) / (len(codes) + 2), dtype=np.float32)

    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:
        """Apply CROWDLAB choice by choice, for those that annotators disagree about anywhere.

        The confidence in a set is the product over its choices, as if they were independent; an annotator's quality
        is the mean over the choices.
        """
        codes = answers.codes
        choice_sets = [frozenset(map(str, parts_of(target))) for target in answers.targets]
        chosen_together: list[set[str]] = [set() for _ in answers.rows]
        confidence = np.ones(len(answers.rows))
        qualities: list[list[float]] = [[] for _ in answers.annotators]
        firsts = [group[0].position for group in answers.rows]
        for k, name in enumerate(predictions.names):
            has = np.array([name in choices for choices in choice_sets], dtype=np.int64)
            votes = np.where(
                codes == AnswerMatrix.UNANSWERED,
                AnswerMatrix.UNANSWERED,
                has[codes] if len(has) else AnswerMatrix.UNANSWERED,
            )
            chosen = votes.max(axis=1, initial=AnswerMatrix.UNANSWERED) == 1
            if (chosen & (votes == 0).any(axis=1)).any():
                chance = np.clip(predictions.probabilities[firsts, k].astype(np.float64), 0.0, 1.0)
                classes, sureness, quality = crowdlab(votes, np.stack([1.0 - chance, chance], axis=1))
                chosen = classes == 1
                is_disputed = (votes == 0).any(axis=1) & (votes == 1).any(axis=1)
                confidence *= np.where(is_disputed, sureness, 1.0)
                for annotator, value in enumerate(quality):
                    if value is not None:
                        qualities[annotator].append(value)
            for line in np.flatnonzero(chosen).tolist():
                chosen_together[line].add(name)
        is_answered = (codes != AnswerMatrix.UNANSWERED).any(axis=1)
        agreement = answers.agreement()
        return Consensus(
            answers,
            [tuple(sorted(each)) if vote else None for each, vote in zip(chosen_together, is_answered, strict=True)],
            confidence.tolist(),
            [fmean(each) if each else share for each, share in zip(qualities, agreement, strict=True)],
            agreement,
        )

    def preference(
        self, predictions: OutOfSamplePredictions, position: int, own: Target, other: Target, /
    ) -> float | None:
        column = {name: k for k, name in enumerate(predictions.names)}
        one, two = set(map(str, parts_of(own))), set(map(str, parts_of(other)))
        if not one | two <= column.keys():
            return None
        line = predictions.probabilities[position].astype(np.float64)
        likely, contrary = 1.0, 1.0
        for name in sorted(one ^ two):
            chance = float(line[column[name]])
            likely *= chance if name in one else 1 - chance
            contrary *= chance if name in two else 1 - chance
        return likely / (likely + contrary) if likely + contrary > 0 else None

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        names, control = predictions.names, predictions.control.name
        answers = [set(row.labels) for row in rows]
        labels = np.array([[name in choices for name in names] for choices in answers], dtype=np.bool_)
        quality, right = multilabel_errors(labels, predictions.probabilities[[row.position for row in rows]])
        turned = right != labels
        is_error = turned.any(axis=1)
        counts = (each.sum(axis=0).tolist() for each in (labels, turned & labels, turned & ~labels))
        return LabelFindings(
            quality={row.row.task_id: float(quality[i]) for i, row in enumerate(rows)},
            issues=[
                rows[i].issue(
                    IssueKind.LABEL_ERROR,
                    float(quality[i]),
                    control=control,
                    suggested=tuple(sorted(names[k] for k in np.flatnonzero(right[i]))),
                )
                for i in np.flatnonzero(is_error).tolist()
            ],
            health=1.0 - float(is_error.mean()),
            classes=self.noise(control, names, *counts),
            warnings=self.absent_warnings(names, set().union(*answers)),
        )


def multilabel_errors(labels: Bools, probabilities: AnyFloats) -> tuple[AnyFloats, Bools]:
    """Return how likely each answer as a whole is right, and the answers with their likely errors turned around.

    An answer is as good as its worst choices: their qualities are averaged with exponentially growing weights, the
    lowest last (Thyagarajan et al. 2022; `cleanlab.multilabel_classification.rank`). A choice that nearly all or
    nearly no rows have is not judged.

    Args:
        labels: given choices, shape (N, K).
        probabilities: shape (N, K), each from 0 to 1 by itself, of a model that was not trained on the row.

    Returns:
        Qualities, shape (N,), 0 to 1, never NaN; and choices, shape (N, K).

    Raises:
        ConfigurationError: the two do not fit together, or a probability is negative or not finite.
    """
    quality = np.ones(labels.shape)
    suggested = labels.copy()
    for choice in range(labels.shape[1]):
        chosen = np.clip(probabilities[:, choice], 0.0, 1.0)
        errors = label_errors(labels[:, choice].astype(np.int64), np.stack([1.0 - chosen, chosen], axis=1))
        quality[:, choice] = errors.quality
        suggested[:, choice] ^= errors.is_error
    return _as_its_worst(quality), suggested


def _as_its_worst(quality: AnyFloats) -> AnyFloats:
    if not quality.shape[1]:
        return np.ones(len(quality))
    descending = -np.sort(-quality, axis=1)
    average: AnyFloats = descending[:, 0]
    for column in descending.T[1:]:
        average = LOWEST_WEIGHT * column + (1 - LOWEST_WEIGHT) * average
    return average
