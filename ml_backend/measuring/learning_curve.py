"""Forecast a learning curve: what F1 more labels will give, and how many labels a target takes.

The curve is F1(m) = a - b g(m) for m train rows, where g falls to 0. Nobody knows its form: power laws fit many curves,
exponentials others, and where there are many labels the curve is steepest in its middle (Viering and Loog 2023, "The
Shape of Learning Curves"). What the forms say far away differs more than how well they fit. So many of them are weighted
by how well they explain the points, and the spread among them is part of the interval (Bayesian model averaging,
Hoeting et al. 1999). Given the form, a and b are those of a linear regression with correlated errors, so there is
nothing to optimise, and nothing that fails to converge.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..arrays import Floats, Ints
from .measures.base import PairedStatistics

__all__ = ["LearningCurve", "resampled_scores"]

SCALES = np.geomspace(0.02, 20.0, 16)
"""Rows at which a form turns, as multiples of the largest number that was measured."""
SHAPES = np.array([0.4, 0.55, 0.75, 1.0, 1.35, 1.8])
MODEL_ERROR = 0.006
"""Standard deviation of a point from the best curve that is no sampling error: luck in the draw of train rows."""
DRAWS = 4000
RESAMPLES = 500


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """Curves that the points allow, drawn by how likely they are.

    Attributes:
        ceilings: what each curve nears, shape (D,).
        drops: what is subtracted from it per unit of g, shape (D,).
        forms: number of each curve's form, shape (D,).
        unit: the largest number of train rows that was measured.
    """

    ceilings: Floats
    drops: Floats
    forms: Ints
    unit: float

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
        unit, places = float(rows[-1]), np.asarray(rows, dtype=np.float64) / float(rows[-1])
        errors = np.cov(resampled, rowvar=False) + MODEL_ERROR**2 * np.eye(len(rows))
        # About half of what is missing may be learnable; the drop is measured where the points begin.
        missing = 1 - float(scores.max())
        mean, spread = np.array([1 - missing / 2, 0.3]), np.diag([(missing / 2 + 0.05) ** 2, 0.5**2])
        falls = [form.fall(places) for form in _forms()]
        evidence, centers, covariances = [], [], []
        for fall in falls:
            design = np.stack([np.ones(len(rows)), -fall / fall[0]], axis=1)
            total = design @ spread @ design.T + errors
            residual = scores - design @ mean
            evidence.append(-0.5 * (residual @ np.linalg.solve(total, residual) + np.linalg.slogdet(total)[1]))
            gain = np.linalg.solve(total, design @ spread).T
            centers.append(mean + gain @ residual)
            covariances.append(spread - gain @ design @ spread)
        weights = np.exp(np.array(evidence) - max(evidence))
        counts = rng.multinomial(DRAWS, weights / weights.sum())
        draws = np.concatenate(
            [
                rng.multivariate_normal(centers[k], covariances[k], count) / [1.0, falls[k][0]]
                for k, count in enumerate(counts)
            ]
        )
        forms = np.repeat(np.arange(len(counts)), counts)
        is_possible = (draws[:, 0] <= 1.0) & (draws[:, 1] > 0)
        return cls(draws[is_possible, 0], draws[is_possible, 1], forms[is_possible], unit)

    def at(self, rows: float) -> Floats:
        """Return the score of each curve at this many train rows, shape (D,)."""
        falls = np.array([form.fall(np.array([rows / self.unit]))[0] for form in _forms()])
        return self.ceilings - self.drops * falls[self.forms]

    def rows_to(self, target: float | Floats) -> Floats:
        """Return the train rows at which each curve reaches a score, shape (D,); infinity where it never does."""
        share = (self.ceilings - target) / self.drops
        rows = np.full(len(share), np.inf)
        for number, form in enumerate(_forms()):
            own = (self.forms == number) & (share > 0)
            rows[own] = form.unfall(share[own]) * self.unit
        return rows


@dataclass(frozen=True, slots=True)
class _Form:
    """A falling function of rows, and its inverse."""

    fall: Callable[[Floats], Floats]
    unfall: Callable[[Floats], Floats]


@cache
def _forms() -> tuple[_Form, ...]:
    forms = []
    for scale in SCALES.tolist():
        for shape in SHAPES.tolist():
            forms += [_hill(scale, shape), _stretched(scale, shape)]
    return tuple(forms)


def _hill(scale: float, shape: float) -> _Form:
    """Like a power law far beyond the scale, and flat far before it."""

    def fall(x):
        return 1 / (1 + (x / scale) ** shape)

    def unfall(y):
        with np.errstate(divide="ignore", invalid="ignore"):
            return scale * np.maximum(1 / y - 1, 0.0) ** (1 / shape)

    return _Form(fall, unfall)


def _stretched(scale: float, shape: float) -> _Form:
    def fall(x):
        return np.exp(-((x / scale) ** shape))

    def unfall(y):
        return scale * np.maximum(-np.log(np.maximum(y, 1e-300)), 0.0) ** (1 / shape)

    return _Form(fall, unfall)


def resampled_scores(statistics: Sequence[PairedStatistics], *, seed: int) -> tuple[Floats, Floats]:
    """Return the score of each of several models, shape (S,), and the scores on resamples of the rows, shape (B, S).

    The same resamples for all models, so that what they have in common cancels out where they are compared.

    Args:
        statistics: of each model on the same rows, as the first of its pair; at least one.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    strata = statistics[0].strata
    counts = np.zeros((RESAMPLES, statistics[0].statistics.shape[1]))
    for members in (
        [np.arange(counts.shape[1])] if strata is None else [np.flatnonzero(strata == k) for k in np.unique(strata)]
    ):
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=RESAMPLES)
    scores = np.array([float(each.value(each.statistics[0].sum(axis=0))) for each in statistics])
    return scores, np.stack([each.value(np.tensordot(counts, each.statistics[0], 1)) for each in statistics], axis=1)
