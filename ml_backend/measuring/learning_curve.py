"""Forecast a learning curve: what F1 more labels will give, and how many labels a target takes.

The curve is F1(m) = a - b / (1 + (m / s)^d) for m train rows, the form of Morgan, Mercer and Flodin (1975), which did
best on most of many curves (Viering and Loog 2023, "The Shape of Learning Curves"): a power law far beyond s, and
steepest in its middle where there are many labels. Measured points fix neither s nor d, and what each choice of them
says far away differs more than how well it fits. So a grid of them is weighted by how well each explains the points,
and the spread among them is part of the interval (Bayesian model averaging, Hoeting et al. 1999). Given s and d, a and
b are those of a linear regression with correlated errors: there is nothing to optimise, and nothing that fails to
converge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .measures.base import PairedStatistics

__all__ = ["LearningCurve", "resampled_scores"]

SCALES = np.geomspace(0.02, 20.0, 16)
"""Values of s, as multiples of the largest number of rows that was measured."""
SHAPES = np.array([0.4, 0.55, 0.75, 1.0, 1.35, 1.8])
"""Values of d."""
# These were chosen on other draws of the data than those of the published figures: see benchmarks/forecast.py.
CEILING, CEILING_SPREAD = 0.2, 0.12
"""The share of the present error that stays for ever, before the points say more: mean and standard deviation."""
DROP, DROP_SPREAD = 0.3, 0.5
"""The same for what the smallest number of rows lacks to the ceiling, in F1."""
INFLATION = 2.5
"""Variance of a point, in multiples of the one among resamples of the scored rows, which have the train rows' luck in
common."""
MODEL_ERROR = 0.006
"""Standard deviation of a point from the best curve that resampling does not show at all."""
DRAWS = 4000
RESAMPLES = 500


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """Curves that the points allow, drawn by how likely they are.

    Attributes:
        ceilings: a of each curve, shape (D,).
        drops: b of each.
        scales: s of each, in train rows.
        shapes: d of each.
    """

    ceilings: Floats
    drops: Floats
    scales: Floats
    shapes: Floats

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
        places = np.asarray(rows, dtype=np.float64)
        scales, shapes = (grid.ravel() for grid in np.meshgrid(SCALES * places[-1], SHAPES))
        falls = _falls(places[:, None], scales, shapes)
        missing = 1 - float(scores.max())
        mean = np.array([1 - CEILING * missing, DROP])
        spread = np.diag([(CEILING_SPREAD * missing + 0.02) ** 2, DROP_SPREAD**2])
        errors = INFLATION * np.cov(resampled, rowvar=False) + MODEL_ERROR**2 * np.eye(len(places))
        evidence, posteriors = [], []
        for fall in falls.T:
            design = np.stack([np.ones(len(places)), -fall / fall[0]], axis=1)
            total = design @ spread @ design.T + errors
            residual = scores - design @ mean
            evidence.append(-(residual @ np.linalg.solve(total, residual) + np.linalg.slogdet(total)[1]) / 2)
            gain = np.linalg.solve(total, design @ spread).T
            posteriors.append((mean + gain @ residual, spread - gain @ design @ spread))
        weights = np.exp(np.array(evidence) - max(evidence))
        counts = rng.multinomial(DRAWS, weights / weights.sum())
        draws = np.concatenate([rng.multivariate_normal(*posteriors[k], size=n) for k, n in enumerate(counts.tolist())])
        forms = np.repeat(np.arange(len(counts)), counts)
        is_possible = (draws[:, 0] <= 1) & (draws[:, 1] > 0)
        draws, forms = draws[is_possible], forms[is_possible]
        return cls(draws[:, 0], draws[:, 1] / falls[0, forms], scales[forms], shapes[forms])

    def at(self, rows: float) -> Floats:
        """Return the score of each curve at this many train rows, shape (D,)."""
        return np.asarray(self.ceilings - self.drops * _falls(rows, self.scales, self.shapes))

    def rows_to(self, target: float | Floats) -> Floats:
        """Return the train rows at which each curve reaches a score, shape (D,); infinity where it never does."""
        share = (self.ceilings - target) / self.drops
        is_reached = share > 0
        rows = np.full(len(share), np.inf)
        odds = np.maximum(1 / share[is_reached] - 1, 0.0)
        rows[is_reached] = self.scales[is_reached] * odds ** (1 / self.shapes[is_reached])
        return rows


def resampled_scores(statistics: Sequence[PairedStatistics], *, seed: int) -> tuple[Floats, Floats]:
    """Return the score of each of several models, shape (S,), and the scores on resamples of the rows, shape (B, S).

    The same resamples for all models, so that what they have in common cancels out where they are compared.

    Args:
        statistics: of each model on the same rows, as the first of its pair; at least one.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    rows = statistics[0].statistics.shape[1]
    strata = np.zeros(rows) if statistics[0].strata is None else statistics[0].strata
    counts = np.zeros((RESAMPLES, rows))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=RESAMPLES)
    scores = np.array([float(each.value(each.statistics[0].sum(axis=0))) for each in statistics])
    return scores, np.stack([each.value(np.tensordot(counts, each.statistics[0], 1)) for each in statistics], axis=1)


def _falls(rows: float | Floats, scales: Floats, shapes: Floats) -> Floats:
    return np.asarray(1 / (1 + (rows / scales) ** shapes))
