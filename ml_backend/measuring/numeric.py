"""How close numbers come to the numbers that people gave, as a measure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from ..arrays import Floats
from ..domain.example import Target
from .evaluation import Evaluation
from .measures.base import Answers, LabelMeasure, PairedStatistics

__all__ = ["NumericEvaluation", "NumericMeasure"]


@dataclass(frozen=True, slots=True)
class NumericEvaluation(Evaluation):
    """Metrics of numbers. Where they are levels, such as ratings, those of labels count as well.

    Attributes:
        mean_absolute_error: in the unit of the numbers.
        median_error: the same of the best answer that is the same for all rows: the median of the true numbers.
        agreement: 1 where all answers are right, 0 where they say nothing, below that where they mislead: Cohen's kappa
            with quadratic weights (1968), which on numbers of any kind is Lin's concordance coefficient (1989).
    """

    mean_absolute_error: float = 0.0
    median_error: float = 0.0
    agreement: float = 0.0

    def summary(self) -> dict[str, float]:
        figures = Evaluation.summary(self)
        own = {name: getattr(self, name) for name in ("mean_absolute_error", "median_error", "agreement")}
        return _without_labels({**figures, **own}, self)

    def to_json(self) -> dict[str, Any]:
        return _without_labels(asdict(self), self)


class NumericMeasure(LabelMeasure):
    """The agreement of numbers with the true ones, see `NumericEvaluation`.

    A row without an answer counts as the mean of the true numbers: it earns nothing, and misleads nobody.
    """

    metric = "agreement"
    curve = "agreement"

    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> NumericEvaluation:
        found = Evaluation.of(true, predicted, labels) if labels else _of_exact(true, predicted)
        known = {each.name: getattr(found, each.name) for each in fields(found)}
        wanted = _numbers(true, 0.0)
        given = _numbers(predicted, float(wanted.mean()) if len(wanted) else 0.0)
        return NumericEvaluation(
            **known,
            mean_absolute_error=float(np.abs(wanted - given).mean()) if len(wanted) else 0.0,
            median_error=float(np.abs(wanted - np.median(wanted)).mean()) if len(wanted) else 0.0,
            agreement=float(_agreement(_statistics(wanted, given).sum(axis=0))),
        )

    def score(self, evaluation: Evaluation) -> float:
        if not isinstance(evaluation, NumericEvaluation):
            raise TypeError(f"{type(evaluation).__name__} found; wanted the metrics of numbers")
        return evaluation.agreement

    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """1 less the distance from the true number, as a share of the range of the true ones, and at least 0."""
        wanted = _numbers(true, np.nan)
        distance = np.abs(wanted - _numbers(predicted, np.nan))
        spread = np.ptp(wanted[~np.isnan(wanted)]) if (~np.isnan(wanted)).any() else 0.0
        scores = np.clip(1 - distance / spread, 0.0, 1.0) if spread else np.where(distance == 0, 1.0, 0.0)
        return np.where(np.isnan(wanted), np.nan, np.nan_to_num(scores))

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        rows = [row for row, target in enumerate(true) if target is not None]
        wanted = _numbers([true[row] for row in rows], 0.0)
        statistics = np.zeros((2, len(true), 6))
        for model, answers in enumerate((champion, challenger)):
            given = _numbers([answers[row] for row in rows], float(wanted.mean()) if rows else 0.0)
            statistics[model, rows] = _statistics(wanted, given)
        scores = np.stack([self.row_scores(true, answers) for answers in (champion, challenger)])
        return PairedStatistics(self.metric, statistics, _agreement, scores)


def _of_exact(true: Sequence[Target], predicted: Answers) -> Evaluation:
    """How many are exactly right: numbers without levels are too many to be counted one by one."""
    if len(true) != len(predicted):
        return Evaluation.of(true, predicted)
    right = ("right",)
    answers = [
        None if answer is None else right if answer == truth else ()
        for truth, answer in zip(true, predicted, strict=True)
    ]
    return replace(Evaluation.of([right] * len(true), answers), per_class=())


def _numbers(answers: Answers, missing: float) -> Floats:
    return np.array([missing if answer is None else _number(answer) for answer in answers], dtype=np.float64)


def _number(target: Target) -> float:
    if isinstance(target, tuple):
        raise TypeError(f"{target!r} found; wanted a number")
    return float(target)


def _statistics(true: Floats, given: Floats) -> Floats:
    """Return what the agreement is made of when it is summed over rows, shape (N, 6)."""
    return np.stack([np.ones(len(true)), true, given, true**2, given**2, (true - given) ** 2], axis=-1)


def _agreement(sums: Floats) -> Floats:
    """The agreement from sums of statistics, shape (..., 6) to (...); 0 where all numbers are one."""
    count, true, given, true_squares, given_squares, errors = np.moveaxis(sums, -1, 0)
    chance = true_squares + given_squares - 2 * true * given / np.maximum(count, 1)
    # The difference of large sums is 0 but for rounding where all numbers are one.
    is_varied = chance > 1e-9 * np.maximum(true_squares + given_squares, 1e-300)
    agreement = np.where(is_varied, 1 - errors / np.where(is_varied, chance, 1.0), 0.0)
    # Answers that are all one number say nothing, and rounding must not turn that into less than nothing.
    return np.where(np.abs(agreement) < 1e-12, 0.0, agreement)


def _without_labels(figures: dict[str, Any], evaluation: Evaluation) -> dict[str, Any]:
    """Leave out what is about labels where the numbers have none."""
    about_labels = {"precision", "recall", "macro_f1", "micro_f1", "per_class", "confusion", "part_calibration"}
    return {name: each for name, each in figures.items() if evaluation.per_class or name not in about_labels}
