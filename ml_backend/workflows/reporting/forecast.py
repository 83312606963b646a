"""The learning curve of a control, what its target still costs, and when more labels stop paying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays import AnyFloats, Floats, Ints
from ...domain.example import SelectedBy, Target
from ...measuring.learning_curve import LearningCurve
from ...options import CostOptions
from .frozen_rows import FrozenRows

__all__ = ["CurveForecast", "LabelPrice"]

FOLDS = 5
POINTS = 7
LEAST_ROWS, LEAST_ROWS_PER_LABEL, LEAST_TRAIN_ROWS = 40, 5, 20
"""With fewer, macro-F1 is far too low to carry a curve on from."""
LEAST_RANDOM_ROWS = 100
NEXT_LABELS = 100
SMALL_GAIN = 0.005
INTERVAL = (0.05, 0.5, 0.95)
FORECAST_ENDS = (0.03, 0.97)
"""Wider than nine in ten: of so many curves the ends held the true number of labels in nearly 90% of trials."""
LIKELY_TIMES, LIKELY_SPREAD = 2.0, 1.7
"""Targets that people ask for lie within reach: so many times today's labels, and the factor that is one standard
deviation. It moves the likeliest number where the points leave much open, and never an end of the interval."""
BAND_POINTS, FARTHEST = 40, 3.0
MOST_TIMES = 10
"""How many times today's labels a forecast may name; beyond that it is left open."""


@dataclass(frozen=True, slots=True)
class LabelPrice:
    """The price of a label.

    Attributes:
        seconds: of an expert's work, second looks included; NaN where nobody measured.
        options: prices per hour.
    """

    seconds: float
    options: CostOptions

    @classmethod
    def of(cls, human_s: float, rows: int, options: CostOptions) -> "LabelPrice":
        """Return the price of a reviewed task, of which skipped tasks and further annotators are a part.

        Args:
            human_s: working time of all annotators; 0 where nobody measured.
            rows: reviewed tasks.
        """
        return cls(human_s / rows if human_s and rows else float("nan"), options)

    def hours(self, labels: float) -> float | None:
        """Return the expert hours that labels take; None where that is not known."""
        hours = labels * self.seconds / 3600
        return round(hours, 2) if np.isfinite(hours) else None

    def price(self, labels: float) -> float | None:
        """Return what the expert hours of labels cost; None where that is not known, or an hour has no price."""
        hours = self.hours(labels)
        return (
            None
            if hours is None or not self.options.expert_hour_price
            else round(hours * self.options.expert_hour_price, 2)
        )


class CurveForecast:
    """The learning curve of a control, measured on the present rows and carried on beyond them.

    Args:
        rows: of the control.
        lead: how much better the tuned model is than the regression that the curve is measured with, drawn from its
            interval, shape (B,); zeros where there is none.

    Attributes:
        answers: of the regressions that learned from most, which saw none of the rows that they answer; a row each.
        notes: sentences about reasons to trust the curve less.

    Raises:
        ValueError: there are under 40 rows, or under 5 per label, or nothing can be learned from them.
    """

    def __init__(self, rows: FrozenRows, labels: int, lead: Floats, *, seed: int) -> None:
        least = max(LEAST_ROWS, LEAST_ROWS_PER_LABEL * rows.label_count)
        if len(rows.rows) < least:
            raise ValueError(
                f"{len(rows.rows)} rows of {rows.label_count} labels found; a learning curve takes {least}"
            )
        folds = rows.folds(FOLDS)
        if len(folds) < 2:
            raise ValueError("nothing can be learned from these rows yet")
        most = min(int((fold.train < len(rows.rows)).sum()) for fold in folds)
        self.sizes = np.unique(
            np.round(np.geomspace(max(LEAST_TRAIN_ROWS, most // 8), most, POINTS)).astype(int)
        ).tolist()
        every = rows.answers(folds, self.sizes)
        self.answers: Sequence[Target | None] = every[-1]
        self._rows, self._labels, self.notes = rows, labels, list[str]()
        self.scores = rows.scores(every, self._scored())
        # Where rows are held out, so many labels make one train row.
        self._labels_per_row = len(rows.rows) / max(int((~rows.is_held_out).sum()), 1)
        self._curve = LearningCurve.fit(self.sizes, self.scores.values, self.scores.resampled, seed=seed)
        self._lead = np.random.default_rng(seed).choice(lead, len(self._curve.ceilings))
        if rows.left_out:
            self.notes.append(f"{rows.left_out} rows were left out at random, since more take minutes")

    def _scored(self) -> Ints:
        """Return the rows that stand for what will be asked about: the random ones, where others are among them."""
        origins = [row.provenance.selected_by for row, _ in self._rows.rows]
        is_random = (
            np.array([origin is SelectedBy.RANDOM for origin in origins], dtype=np.bool_) | self._rows.is_held_out
        )
        if SelectedBy.ACTIVE not in origins:
            return np.arange(len(origins))
        if is_random.sum() < LEAST_RANDOM_ROWS:
            self.notes.append(
                f"only {is_random.sum()} rows were chosen at random, so the model's choice biases the curve"
            )
            return np.arange(len(origins))
        return np.flatnonzero(is_random)

    def score_at(self, labels: float) -> Floats:
        """Return the score with so many labels in all, per curve that fits."""
        return np.asarray(np.minimum(self._curve.at(labels / self._labels_per_row) + self._lead, 1.0))

    def default_target(self) -> float:
        """Return the next multiple of .05 that is at least .02 above what is reached."""
        return float(min(np.ceil((np.median(self.score_at(self._labels)) + 0.02) * 20) / 20, 1.0))

    def to_json(self, target: float, price: LabelPrice) -> dict[str, Any]:
        """Return the curve, the forecast for a target, and what the next labels buy, as a JSON object."""
        total = self._curve.rows_to(target - self._lead) * self._labels_per_row
        low, high = np.quantile(total, FORECAST_ENDS, method="inverted_cdf").tolist()
        likeliest = min(max(self._likeliest(total), low), high)
        more = [max(each - self._labels, 0.0) for each in (low, likeliest, high)]
        wanted = [round(each) if each <= MOST_TIMES * self._labels else None for each in more]
        gain = np.quantile(self.score_at(self._labels + NEXT_LABELS) - self.score_at(self._labels), INTERVAL)
        hours = price.hours(NEXT_LABELS)
        per_hour = float(gain[1]) / hours if hours else None
        threshold = price.options.stop_below_gain
        return {
            "metric": self._rows.metric,
            "labels_now": self._labels,
            "score_now": _rounded(np.quantile(self.score_at(self._labels), INTERVAL)),
            "lead": _rounded(np.quantile(self._lead, INTERVAL)),
            "points": [
                {"labels": round(size * self._labels_per_row), "low": low, "score": score, "high": high}
                for size, (low, score, high) in zip(self.sizes, self.scores.intervals(), strict=True)
            ],
            "band": self._band(wanted),
            "forecast": {
                "target": target,
                "labels": wanted,
                "hours": [None if each is None else price.hours(each) for each in wanted],
                "price": [None if each is None else price.price(each) for each in wanted],
                "never": round(float((total > MOST_TIMES * self._labels).mean()), 3),
            },
            "next": {
                "labels": NEXT_LABELS,
                "gain": _rounded(gain),
                "hours": hours,
                "price": price.price(NEXT_LABELS),
                "gain_per_hour": None if per_hour is None else round(per_hour, 5),
                "threshold": threshold,
                "pays": None if per_hour is None else bool(per_hour >= threshold),
                "is_flat": bool(gain[1] < SMALL_GAIN),
            },
            "notes": self.notes,
        }

    def _likeliest(self, total: Floats) -> float:
        """Return the median of the numbers of labels that curves give; infinity where half of them never get there."""
        reached = np.sort(total[total <= (1 + MOST_TIMES) * self._labels])
        if 2 * len(reached) < len(total):
            return float("inf")
        times = np.maximum(reached / self._labels, 1.0)
        weights = np.exp(-((np.log(times / LIKELY_TIMES) / np.log(LIKELY_SPREAD)) ** 2) / 2).cumsum()
        return float(reached[np.searchsorted(weights, weights[-1] / 2)])

    def _band(self, wanted: Sequence[int | None]) -> list[Mapping[str, float]]:
        known = [each for each in wanted if each is not None]
        end = self._labels + min(max([*known, self._labels]) * 1.15, FARTHEST * self._labels)
        places = np.geomspace(self.sizes[0] * self._labels_per_row, max(end, self._labels * 1.5), BAND_POINTS)
        band: list[Mapping[str, float]] = []
        for place in places.tolist():
            low, middle, high = np.quantile(self.score_at(place), INTERVAL).tolist()
            band.append(
                {"labels": round(place), "low": round(low, 4), "score": round(middle, 4), "high": round(high, 4)}
            )
        return band


def _rounded(values: AnyFloats) -> list[float]:
    return [round(float(value), 4) for value in values]
