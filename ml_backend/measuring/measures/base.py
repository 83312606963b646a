"""The base class of measures, and how they are found."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from ...arrays import Floats, Ints
from ...domain.example import Target
from ...plugins import classes_in
from ..evaluation import Evaluation
from ..text_metrics import TextEvaluation

__all__ = ["Answers", "AnyEvaluation", "LabelMeasure", "Measure", "PairedStatistics"]

AnyEvaluation: TypeAlias = Evaluation | TextEvaluation

Answers: TypeAlias = Sequence[Target | None]
"""Answers to one control, a row each; None where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class PairedStatistics:
    """Champion and challenger on the test rows, as far as one control is concerned.

    Attributes:
        metric: what `value` gives.
        statistics: of the champion and the challenger, per row, what the metric is made of when it is summed over
            rows; shape (2, N, M). Rows that do not answer the control are all 0.
        value: the metric from sums of statistics, shape (..., M) to (...).
        row_scores: of the champion and the challenger, how good each row's answer is by itself, see
            `Measure.row_scores`; shape (2, N).
        strata: a number per row; rows are resampled within theirs. None: all rows together.
        thin: sentences about what too few rows say little about.
    """

    metric: str
    statistics: Floats
    value: Callable[[Floats], Floats]
    row_scores: Floats
    strata: Ints | None = None
    thin: tuple[str, ...] = ()

    @classmethod
    def of_means(cls, metric: str, champion: Floats, challenger: Floats) -> "PairedStatistics":
        """Statistics of a metric that is the mean of the rows' scores, each of shape (N,), NaN for no answer."""
        scores = np.stack([champion, challenger])
        # Per row its score and a 1, so that the sums of both give the mean of any resample.
        statistics = np.stack([np.nan_to_num(scores), ~np.isnan(scores)], axis=-1)
        return cls(metric, statistics, _mean, scores)

    @property
    def scores(self) -> tuple[float, float]:
        """The metric of the champion and of the challenger, on all rows."""
        champion, challenger = self.value(self.statistics.sum(axis=1)).tolist()
        return champion, challenger


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1), dtype=np.float64)


class Measure(ABC):
    """How good the answers of a kind of head are.

    Attributes:
        head: the kind of head.
        metric: name of the figure that versions are compared by.
    """

    head: ClassVar[str]
    metric: ClassVar[str]

    @abstractmethod
    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> AnyEvaluation:
        """Return the metrics of answers against the truth.

        Args:
            predicted: None where the model gave no answer.
            labels: the control's labels, in order.

        Raises:
            TrainingError: the two differ in length.
        """

    @abstractmethod
    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """How good each answer is by itself, from 0 to 1, shape (N,); NaN where `true` is None.

        It is 1 or 0 for choices, which are right as a whole or not; graded for spans, numbers and texts.
        """

    @abstractmethod
    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        """Return what is needed to compare two versions.

        Args:
            true: per test row; `champion` and `challenger` are the same for the two versions.
        """

    @staticmethod
    def of(head: str) -> "Measure":
        """The measure of a kind of head.

        Raises:
            KeyError: there is no such head.
        """
        return classes_in(__package__, Measure, "head")[head]()


class LabelMeasure(Measure):
    """How good the answers of a linear head are: labels, spans or numbers, but no texts.

    Attributes:
        curve: the figure of an evaluation's summary that is drawn over the epochs of a training.
    """

    curve: ClassVar[str] = "macro_f1"

    @abstractmethod
    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> Evaluation: ...

    @abstractmethod
    def score(self, evaluation: Evaluation) -> float:
        """Return the figure that methods and versions are compared by; greater is better."""

    @classmethod
    def of(cls, head: str) -> "LabelMeasure":
        """Return the measure of a linear head.

        Raises:
            KeyError: the head is not a linear one.
        """
        measure = Measure.of(head)
        if not isinstance(measure, LabelMeasure):
            raise KeyError(head)
        return measure
