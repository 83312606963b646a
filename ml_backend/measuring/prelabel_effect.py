"""The effect of seeing the model's answer: an experiment that held-out tasks make of every project.

Which tasks are blind is decided by a hash of their text, so blind tasks are a random sample, and the others differ from
them in nothing but the pre-label, unless something else chose which of the others were answered. Within strata of what
that choice went by, both are comparable again: the difference is taken in every stratum and averaged over the blind
tasks (post-stratification, Cochran 1977, chapter 5A; for a choice by score it is subclassification on the propensity
score, Rosenbaum and Rubin 1984).
"""

from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats, Ints

__all__ = ["PrelabelEffect"]

CONFIDENCE = 0.95
LEAST_TASKS = 10
"""In each arm; with fewer, there is nothing to say."""


@dataclass(frozen=True, slots=True)
class PrelabelEffect:
    """A difference of means, with pre-label minus blind.

    Attributes:
        blind_mean: of the blind tasks that count.
        difference: with pre-label minus blind.
        low: lower end of its 95% interval; `high` is the upper one.
        shown: tasks with a pre-label that count; `blind` those without.
        left_out: tasks in strata that lack the other arm.
    """

    blind_mean: float
    difference: float
    low: float
    high: float
    shown: int
    blind: int
    left_out: int

    @classmethod
    def of(cls, values: Floats, is_shown: Bools, strata: Ints, *, tests: int = 1) -> "PrelabelEffect | None":
        """Return the effect on the mean of these values; None where an arm is too small.

        Args:
            values: per task, shape (N,), such as seconds, or 1 and 0 for whether the answer is that of the model.
            is_shown: whether the annotator saw a pre-label.
            strata: a number per task; only tasks of the same stratum are compared.
            tests: how many such effects are looked at together: the intervals hold all of them in 95 of 100 projects
                (Bonferroni).
        """
        from scipy.stats import t

        keys, places = np.unique(strata, return_inverse=True)
        counts = np.stack([np.bincount(places[is_shown == arm], minlength=len(keys)) for arm in (False, True)])
        has_both = counts.min(axis=0) > 0
        used = has_both[places]
        blind, shown = (int(counts[arm][has_both].sum()) for arm in (0, 1))
        if min(blind, shown) < LEAST_TASKS:
            return None
        weights = np.where(has_both, counts[0], 0) / blind
        means, variances = np.zeros(2), np.zeros(2)
        for arm in (0, 1):
            own = used & (is_shown == bool(arm))
            sums = np.bincount(places[own], values[own], minlength=len(keys))
            of_strata = sums / np.maximum(counts[arm], 1)
            means[arm] = weights @ of_strata
            spread = _spread(values[own], values[own] - of_strata[places[own]], int(has_both.sum()))
            variances[arm] = spread * (weights**2 / np.maximum(counts[arm], 1))[has_both].sum()
        difference = float(means[1] - means[0])
        freedom = max(blind + shown - 2 * int(has_both.sum()), 1)
        half = float(t.ppf(1 - (1 - CONFIDENCE) / (2 * tests), freedom) * np.sqrt(variances.sum()))
        left_out = len(values) - blind - shown
        return cls(float(means[0]), difference, difference - half, difference + half, shown, blind, left_out)


def _spread(values: Floats, residuals: Floats, strata: int) -> float:
    """Return the variance within strata, taken to be the same in all; of shares that are 0 or 1, never 0.

    A share that is 1 in all of few tasks is not certain to be 1 (Laplace's rule of succession).
    """
    within = float((residuals**2).sum() / max(len(values) - strata, 1))
    if within == 0 and np.isin(values, (0.0, 1.0)).all():
        share = (values.sum() + 1) / (len(values) + 2)
        return float(share * (1 - share))
    return within
