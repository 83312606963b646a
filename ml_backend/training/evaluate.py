"""Metrics of single-choice classification."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import TrainingError

__all__ = ["ClassMetrics", "Evaluation", "classification_metrics"]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How one class came out. A ratio without any case (0 of 0) counts as 0, as scikit-learn has it.

    Attributes:
        support: rows whose true class this is.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics over a set of rows.

    Attributes:
        macro_f1: mean F1 of the classes in `per_class`: those that occur among the true or the predicted ones.
        micro_f1: F1 over all decisions; equals the accuracy where every row was answered.
        per_class: one entry per occurring class, in the order of the labels given.
        confusion: rows per true class (first index) and predicted class, in the order of `per_class`; rows without
            an answer are in no column.
        unanswered: rows for which the model gave no answer; they count as wrong.
    """

    rows: int
    accuracy: float
    macro_f1: float
    micro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    unanswered: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The occurring classes, in order."""
        return tuple(entry.label for entry in self.per_class)

    def summary(self) -> dict[str, float]:
        """The figures that a run logs."""
        return {
            "rows": float(self.rows),
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "micro_f1": self.micro_f1,
        }

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def classification_metrics(
    true: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str] = ()
) -> Evaluation:
    """Metrics of predictions against the truth.

    Macro-F1 averages over the classes that occur in `true` or in `predicted`, as scikit-learn does when it is given
    no labels: a class that nobody named counts neither way, and a class predicted but never true counts as 0.

    Args:
        predicted: None where the model gave no answer; such a row is wrong for its true class.
        labels: order of the classes; occurring classes beyond it follow in alphabetical order.

    Raises:
        TrainingError: the two differ in length.
    """
    if len(true) != len(predicted):
        raise TrainingError(
            f"{len(true)} true and {len(predicted)} predicted classes found; wanted one of each per row"
        )
    occurring = set(true) | {label for label in predicted if label is not None}
    order = [label for label in dict.fromkeys(labels) if label in occurring]
    order += sorted(occurring - set(order))
    confusion = _confusion(true, predicted, order)
    counts = Counter(true)
    support = np.array([counts[label] for label in order], dtype=np.int64)
    hits = np.diag(confusion)
    named = confusion.sum(axis=0)
    precision, recall = _ratio(hits, named), _ratio(hits, support)
    f1 = _ratio(2 * hits, named + support)
    answered = int(confusion.sum())
    correct = int(hits.sum())
    return Evaluation(
        rows=len(true),
        accuracy=correct / max(len(true), 1),
        macro_f1=float(f1.mean()) if order else 0.0,
        micro_f1=2 * correct / max(len(true) + answered, 1),
        per_class=tuple(
            ClassMetrics(label, float(precision[k]), float(recall[k]), float(f1[k]), int(support[k]))
            for k, label in enumerate(order)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        unanswered=len(true) - answered,
    )


def _confusion(true: Sequence[str], predicted: Sequence[str | None], order: Sequence[str]) -> npt.NDArray[np.int64]:
    index = {label: k for k, label in enumerate(order)}
    confusion = np.zeros((len(order), len(order)), dtype=np.int64)
    for given, answer in zip(true, predicted, strict=True):
        if answer is not None:
            confusion[index[given], index[answer]] += 1
    return confusion


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
