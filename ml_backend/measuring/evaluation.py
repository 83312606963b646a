"""Metrics of answers against the truth, over the parts that answers consist of: classes, labels, or exact spans."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from ..arrays import Floats, Ints
from ..domain.example import Part, Target, label_of, parts_of
from ..domain.model import ScoredTarget
from ..errors import TrainingError
from .calibration import Calibration, Reliability

__all__ = ["Average", "ClassMetrics", "Evaluation", "count_parts"]


class Average(StrEnum):
    """How F1 is averaged: over labels, each counting alike, or over all parts, each counting alike."""

    MACRO = "macro"
    MICRO = "micro"


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How one label came out. A ratio without any case (0 of 0) counts as 0, as scikit-learn has it.

    Attributes:
        support: rows that truly carry the label, or true spans with it.
        calibration_error: expected error of the confidence in answers with this label, or spans; None: not measured,
            or on under 30 of them.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    calibration_error: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics over a set of rows.

    Attributes:
        accuracy: share of rows whose answer is exactly right.
        precision: share of the answered parts that are right.
        recall: share of the true parts that were answered.
        macro_f1: mean F1 of the labels in `per_class`, which occur among the true or the predicted parts.
        micro_f1: F1 over all parts; for classes it equals the accuracy where every row was answered.
        per_class: one entry per occurring label, in the order of the labels given.
        confusion: for classes only: rows per true class (first index) and predicted class, in the order of
            `per_class`; rows without an answer are in no column. Empty for other answers.
        unanswered: rows for which the model gave no answer; they count as wrong.
        calibration: of the confidences in whole answers; None: not measured.
        part_calibration: of the confidences in the labels or spans that answers consist of; None also where an answer
            is one label.
    """

    rows: int
    accuracy: float
    precision: float
    recall: float
    macro_f1: float
    micro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    unanswered: int = 0
    calibration: Calibration | None = None
    part_calibration: Calibration | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The occurring labels, in order."""
        return tuple(entry.label for entry in self.per_class)

    def summary(self) -> dict[str, float]:
        """The figures that a run logs."""
        calibrations = {"expected_calibration_error": self.calibration, "part_calibration_error": self.part_calibration}
        errors = {name: found["expected_error"] for name, found in calibrations.items() if found is not None}
        return {
            "rows": float(self.rows),
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "micro_f1": self.micro_f1,
            **errors,
        }

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    def with_calibration(self, true: Sequence[Target], answers: Sequence[ScoredTarget | None]) -> "Evaluation":
        """Return this with the calibration of the answers that it is of.

        Args:
            true: as in `of`, of rows that neither trained the model nor calibrated it.
            answers: whose targets were predicted; without any, nothing is measured.
        """
        given = [(answer, truth) for answer, truth in zip(answers, true, strict=True) if answer is not None]
        if not given:
            return self
        whole = _reliability([(answer.score, answer.target == truth) for answer, truth in given])
        parts: dict[str, list[tuple[float, bool]]] = {}
        for answer, truth in given:
            true_parts: frozenset[Part] = frozenset(parts_of(truth))
            for part in parts_of(answer.target):
                score = answer.scores.get(part, answer.score)  # not every predictor scores parts
                parts.setdefault(label_of(part), []).append((score, part in true_parts))
        is_one_label = not any(isinstance(answer.target, tuple) for answer, _ in given)
        all_parts = [pair for pairs in parts.values() for pair in pairs]
        return replace(
            self,
            per_class=tuple(
                replace(entry, calibration_error=_reliability(parts[entry.label]).expected_error())
                if len(parts.get(entry.label, ())) >= Reliability.LEAST_ROWS
                else entry
                for entry in self.per_class
            ),
            calibration=whole.calibration(),
            part_calibration=None if is_one_label or not all_parts else _reliability(all_parts).calibration(),
        )

    @classmethod
    def of(cls, true: Sequence[Target], predicted: Sequence[Target | None], labels: Sequence[str] = ()) -> "Evaluation":
        """Metrics of predictions against the truth.

        Macro-F1 averages over the labels that occur in `true` or in `predicted`, as scikit-learn does when it is given
        no labels: a label that occurs nowhere counts neither way, and one predicted but never true counts as 0. A
        span is right where start, end and label all are.

        Args:
            predicted: None where the model gave no answer; such a row is wrong.
            labels: order of the labels; occurring ones beyond it follow in alphabetical order.

        Raises:
            TrainingError: the two differ in length.
        """
        if len(true) != len(predicted):
            raise TrainingError(
                f"{len(true)} true and {len(predicted)} predicted answers found; wanted one of each per row"
            )
        occurring, counts = count_parts(true, predicted, labels)
        support, named, hits = counts.sum(axis=1)
        precision, recall, f1 = _ratio(hits, named), _ratio(hits, support), _ratio(2 * hits, named + support)
        all_hits, all_named, all_support = int(hits.sum()), int(named.sum()), int(support.sum())
        right = sum(truth == answer for truth, answer in zip(true, predicted, strict=True))
        return cls(
            rows=len(true),
            accuracy=right / max(len(true), 1),
            precision=all_hits / max(all_named, 1),
            recall=all_hits / max(all_support, 1),
            macro_f1=float(f1.mean()) if occurring else 0.0,
            micro_f1=2 * all_hits / max(all_named + all_support, 1),
            per_class=tuple(
                ClassMetrics(label, float(precision[k]), float(recall[k]), float(f1[k]), int(support[k]))
                for k, label in enumerate(occurring)
            ),
            confusion=_confusion(true, predicted, occurring),
            unanswered=sum(answer is None for answer in predicted),
        )


def count_parts(
    true: Sequence[Target], predicted: Sequence[Target | None], labels: Sequence[str] = ()
) -> tuple[Sequence[str], Ints]:
    """Count the parts that answers got right.

    Returns:
        The labels that occur, ordered as in `evaluate`, and true parts, answered parts and parts in both, per row and
        label: shape (3, N, L).
    """
    targets = [Counter(parts_of(target)) for target in true]
    answered = [Counter(() if target is None else parts_of(target)) for target in predicted]
    occurring = {label_of(part) for parts in (*targets, *answered) for part in parts}
    order = [label for label in dict.fromkeys(labels) if label in occurring]
    order += sorted(occurring - set(order))
    index = {label: k for k, label in enumerate(order)}
    counts = np.zeros((3, len(targets), len(order)), dtype=np.int64)
    for row, (parts, answer) in enumerate(zip(targets, answered, strict=True)):
        for kind, counter in enumerate((parts, answer, parts & answer)):
            for part, count in counter.items():
                counts[kind, row, index[label_of(part)]] += count
    return order, counts


def _reliability(pairs: Sequence[tuple[float, bool]]) -> Reliability:
    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    return Reliability(scores, scores, np.array([is_right for _, is_right in pairs], dtype=np.bool_))


def _confusion(
    true: Sequence[Target], predicted: Sequence[Target | None], order: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    if any(isinstance(target, tuple) for target in (*true, *predicted)):
        return ()
    index = {label: k for k, label in enumerate(order)}
    confusion = np.zeros((len(order), len(order)), dtype=np.int64)
    for truth, answer in zip(true, predicted, strict=True):
        if not isinstance(truth, tuple) and answer is not None and not isinstance(answer, tuple):
            confusion[index[label_of(truth)], index[label_of(answer)]] += 1
    return tuple(tuple(int(count) for count in row) for row in confusion)


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
