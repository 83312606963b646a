"""Forecast a learning curve: what F1 more labels will give, and how many labels a target takes.

The curve is F1(m) = a - b g(m) for m train rows, where g falls from 1 to 0. Nobody knows its form: power laws fit many
curves and exponentials fit others (Viering and Loog 2023, "The Shape of Learning Curves"), and what they say far away
differs more than how well they fit. So many forms are weighted by how well they explain the points, and the spread
among them is part of the interval (Bayesian model averaging, Hoeting et al. 1999). Given the form, a and b are those of
a linear regression with correlated errors, so there is nothing to optimise and nothing that fails to converge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .measures.base import PairedStatistics

__all__ = ["LearningCurve", "resampled_scores"]

POWERS = np.geomspace(0.15, 1.5, 12)
STRETCHES = (0.5, 0.75, 1.0)
SCALES = np.geomspace(0.3, 10.0, 12)
"""Of the exponentials, as multiples of the largest number of rows that was measured."""
MODEL_ERROR = 0.006
"""Standard deviation between a point and the best curve that is no sampling error: luck of the draw of train rows."""
DRAWS = 4000
INTERVAL = (0.05, 0.95)
RESAMPLES = 200


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """Draws of curves that the points allow.

    Attributes:
        ceilings: what each curve nears, shape (D,).
        drops: how far below it each is at `first_rows`, shape (D,).
        forms: number of the form of each, shape (D,).
        first_rows: the smallest number of train rows that was measured.
        last_rows: the largest one.
    """

    ceilings: Floats
    drops: Floats
    forms: Floats
    first_rows: float
    last_rows: float

    @classmethod
    def fit(cls, rows: Sequence[int], scores: Floats, resampled: Floats, *, seed: int) -> "LearningCurve":
        """Return the curves that fit measured scores.

        Args:
            rows: numbers of train rows, rising, at least 3, shape (S,).
            scores: from 0 to 1, shape (S,).
            resampled: the scores on resamples of the scored rows, shape (B, S); they tell how far off the scores may
                be, and how far off together.
            seed: of the draws.
        """
        rng = np.random.default_rng(seed)
        first, last = float(rows[0]), float(rows[-1])
        errors = np.cov(resampled, rowvar=False) + MODEL_ERROR**2 * np.eye(len(rows))
        place = np.asarray(rows, dtype=np.float64)
        forms = _forms()
        top = float(scores.max())
        # Half of what is missing may be learnable, and more or less of it may be.
        mean = np.array([top + (1 - top) / 2, 0.3])
        spread = np.diag([((1 - top) / 2 + 0.05) ** 2, 0.5**2])
        evidence, centers, covariances = np.zeros(len(forms)), [], []
        for number in range(len(forms)):
            design = np.stack([np.ones(len(place)), -_falls(number, place, first, last)], axis=1)
            total = design @ spread @ design.T + errors
            residual = scores - design @ mean
            evidence[number] = -0.5 * (residual @ np.linalg.solve(total, residual) + np.linalg.slogdet(total)[1])
            gain = np.linalg.solve(total, design @ spread).T
            centers.append(mean + gain @ residual)
            covariances.append(spread - gain @ design @ spread)
        weights = np.exp(evidence - evidence.max()) * np.array([weight for *_, weight in forms])
        chosen = rng.choice(len(forms), DRAWS, p=weights / weights.sum())
        draws = np.concatenate(
            [
                np.column_stack([np.full(count, number), rng.multivariate_normal(centers[number], covariances[number], count)])
                for number, count in enumerate(np.bincount(chosen, minlength=len(forms)).tolist())
            ]
        )
        possible = draws[(draws[:, 1] <= 1.0) & (draws[:, 2] > 0)]
        return cls(possible[:, 1], possible[:, 2], possible[:, 0], first, last)

    def at(self, rows: float) -> Floats:
        """Return the score of each curve for this many train rows, shape (D,)."""
        falls = np.array([_falls(number, np.array([rows]), self.first_rows, self.last_rows)[0] for number in range(len(_forms()))])
        return self.ceilings - self.drops * falls[self.forms.astype(int)]

    def rows_to(self, target: float) -> Floats:
        """Return the train rows that each curve needs to reach a score, shape (D,); infinity where it never does."""
        share = (self.ceilings - target) / self.drops
        rows = np.full(len(share), np.inf)
        for number in range(len(_forms())):
            own = (self.forms == number) & (share > 0)
            rows[own] = _unfall(number, share[own], self.first_rows, self.last_rows)
        return rows


def _forms() -> list[tuple[str, float, float, float]]:
    powers = [("power", power, 0.0, 1 / len(POWERS)) for power in POWERS.tolist()]
    others = [("exp", scale, stretch, 1 / (len(SCALES) * len(STRETCHES))) for scale in SCALES.tolist() for stretch in STRETCHES]
    return powers + others


def _falls(number: int, rows: Floats, first: float, last: float) -> Floats:
    kind, value, stretch, _ = _forms()[number]
    if kind == "power":
        return (rows / first) ** -value
    return np.exp(-((rows / (value * last)) ** stretch) + (first / (value * last)) ** stretch)


def _unfall(number: int, share: Floats, first: float, last: float) -> Floats:
    kind, value, stretch, _ = _forms()[number]
    with np.errstate(over="ignore", divide="ignore"):
        if kind == "power":
            return first * share ** (-1 / value)
        inner = (first / (value * last)) ** stretch - np.log(share)
        return value * last * np.maximum(inner, 0.0) ** (1 / stretch)


def resampled_scores(statistics: Sequence[PairedStatistics], *, seed: int) -> tuple[Floats, Floats]:
    """Return scores (S,) and resampled (B, S)."""
    rng = np.random.default_rng(seed)
    rows = statistics[0].statistics.shape[1]
    counts = rng.multinomial(rows, np.full(rows, 1 / rows), size=RESAMPLES).astype(np.float64)
    point = np.array([each.value(each.statistics[0].sum(axis=0)) for each in statistics])
    return point, np.stack([each.value(counts @ each.statistics[0]) for each in statistics], axis=1)
