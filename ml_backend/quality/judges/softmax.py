"""Single choices: one label per row."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ...arrays import Floats, Ints
from ...domain.example import Target
from ...domain.quality import ClassPair, IssueKind
from ...domain.readable import listed
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus, crowdlab
from ..label_errors import LabelErrors, label_errors
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings, LabelJudge

__all__: list[str] = []

MOST_PAIRS = 50
LEAST_TRUST = 1e-3
"""A class whose labels are all suspect must still have rows."""


class SoftmaxJudge(LabelJudge):
    """Judges each label against all others."""

    head = "softmax"
    # For the other heads a second round of models finds no more errors than the first.
    weighs_labels = True

    def label_trust(self, predictions: OutOfSamplePredictions) -> Floats:
        """Return how far to believe the answer of each row, above 0 to 1, shape (N,).

        Models that learned from wrong labels defend them. Judging anew by models that trust labels by their quality
        finds more: on the texts and noise that `label_errors` names, average precision rises from .988 to .993, and
        from .899 to .940 where each class goes to the one that it is confused with most. The idea of confident
        learning's final step (Northcutt, Jiang and Chuang 2021), with weights in place of a cut. A row without an
        answer is believed, as it teaches nothing.
        """
        labels, probabilities = np.asarray(predictions.codes, dtype=np.int64), np.asarray(predictions.probabilities)
        is_known = np.ones(len(labels), dtype=np.bool_) if predictions.is_usable is None else predictions.is_usable
        weights = np.ones(len(labels))
        weights[is_known] = np.maximum(label_errors(labels[is_known], probabilities[is_known]).quality, LEAST_TRUST)
        return weights

    def answer_matrix(self, rows: Sequence[AnnotatedRow], names: Sequence[str], /) -> AnswerMatrix:
        # Classes of the matrix are the label config's, in its order, as the probabilities have them.
        return AnswerMatrix.of(rows, names, is_exact=False)

    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:
        firsts = [group[0].position for group in answers.rows]
        classes, confidence, quality = crowdlab(answers.codes, predictions.probabilities[firsts])
        targets = [None if code == AnswerMatrix.UNANSWERED else answers.targets[code] for code in classes.tolist()]
        return Consensus(answers, targets, confidence.tolist(), quality, answers.agreement())

    def preference(
        self, predictions: OutOfSamplePredictions, position: int, own: Target, other: Target, /
    ) -> float | None:
        if not {own, other} <= set(predictions.names):
            return None
        line = predictions.probabilities[position].astype(np.float64)
        likely, contrary = (float(line[predictions.names.index(str(target))]) for target in (own, other))
        return likely / (likely + contrary) if likely + contrary > 0 else None

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, answers: AnswerMatrix, /
    ) -> LabelFindings:
        names, control = predictions.names, predictions.control.name
        labels = np.array([names.index(row.labels[0]) for row in rows], dtype=np.int64)
        errors = label_errors(labels, predictions.probabilities[[row.position for row in rows]])
        suspects, suggested = labels[errors.is_error], errors.suggested[errors.is_error]
        counts = (np.bincount(each, minlength=len(names)).tolist() for each in (labels, suspects, suggested))
        return LabelFindings(
            quality={row.row.task_id: float(errors.quality[i]) for i, row in enumerate(rows) if errors.is_judged[i]},
            issues=[
                rows[i].issue(
                    IssueKind.LABEL_ERROR,
                    float(errors.quality[i]),
                    control=control,
                    suggested=names[int(errors.suggested[i])],
                )
                for i in np.flatnonzero(errors.is_error).tolist()
            ],
            health=_health(errors),
            classes=self.noise(control, names, *counts),
            pairs=_pairs(predictions, Counter(zip(suspects.tolist(), suggested.tolist(), strict=True)), answers),
            warnings=self._warnings(names, labels),
        )

    def disputed_pairs(self, predictions: OutOfSamplePredictions, answers: AnswerMatrix, /) -> tuple[ClassPair, ...]:
        return _pairs(predictions, Counter(), answers)

    def _warnings(self, names: Sequence[str], labels: Ints) -> list[str]:
        counts = Counter(labels.tolist())
        if len(counts) == 1:
            only = f"all {len(labels)} labeled rows are {names[int(labels[0])]!r}: label errors could not be looked for"
            return [f"{only}, which takes at least 2 classes of {LabelErrors.FEWEST_CLASS_ROWS} rows"]
        warnings = []
        judged = [index for index, count in counts.items() if count >= LabelErrors.FEWEST_CLASS_ROWS]
        thin = [
            f"{names[index]} ({counts[index]})"
            for index in sorted(counts)
            if counts[index] < LabelErrors.FEWEST_CLASS_ROWS
        ]
        if len(judged) < 2:
            warnings.append(
                f"{len(judged)} of {len(counts)} classes with rows have {LabelErrors.FEWEST_CLASS_ROWS} or more: "
                "label errors could not be looked for, which takes at least 2 such classes"
            )
        elif thin:
            warnings.append(
                f"under {LabelErrors.FEWEST_CLASS_ROWS} rows each for {listed(thin)}: their labels were not judged"
            )
        return warnings + self.absent_warnings(names, {names[index] for index in counts})


def _health(errors: LabelErrors) -> float | None:
    """Return the estimated share of the judged labels that are right, or None where none was judged.

    `cleanlab.dataset.overall_label_health_score` with the same count of errors that the flags follow.
    """
    judged = int(errors.is_judged.sum())
    return 1.0 - errors.expected_errors / judged if judged else None


def _pairs(
    predictions: OutOfSamplePredictions, suspects: Counter[tuple[int, int]], answers: AnswerMatrix
) -> tuple[ClassPair, ...]:
    """Return pairs of classes that are taken for each other, the most often first, at most 50.

    A pair is listed in each direction that has suspects, and in the labels' order where annotators alone mix it up.

    Args:
        suspects: flagged rows per given and suggested class.
    """
    names, control = predictions.names, predictions.control.name
    disputed = Counter(pair for counts in answers.disputed().values() for pair in combinations(sorted(counts), 2))
    directions = set(suspects) | {pair for pair in disputed if pair not in suspects and pair[::-1] not in suspects}
    pairs = [
        ClassPair(names[a], names[b], suspects[a, b], disputed[min(a, b), max(a, b)], control)
        for a, b in sorted(directions)
    ]
    return tuple(sorted(pairs, key=lambda pair: -(pair.rows + pair.disagreements))[:MOST_PAIRS])
