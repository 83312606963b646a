"""Logistic regression on choices among options, whose number differs from text to text."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Floats, Floats2d, Ints
from ...models.bundle.head import Head

__all__ = ["fit_choices"]


def fit_choices(features: Floats2d, choices: Sequence[Ints], weights: Floats, *, c: float, max_iterations: int) -> Head:
    """Return the head, of one logit, under which what was chosen is likeliest, with L2 penalty.

    Sources: McFadden 1974, "Conditional Logit Analysis of Qualitative Choice Behavior"; a ranking is a choice of the
    best, then of the best of what is left, and so on: Plackett 1975, "The Analysis of Permutations".

    Args:
        features: of the options, shape (U, F).
        choices: the numbers of the options of each choice; the first is the one that was chosen.
        weights: factor on the loss per choice; their mean does not matter, it is scaled to 1.
        c: inverse strength of the penalty, against the summed loss.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    width = features.shape[1]
    choices_left = [(each, weight) for each, weight in zip(choices, weights, strict=True) if len(each) > 1]
    if not choices_left:
        return Head(np.zeros((1, width), dtype=np.float32), np.zeros(1, dtype=np.float32))
    members = np.concatenate([each for each, _ in choices_left])
    counts = np.array([len(each) for each, _ in choices_left])
    starts = np.cumsum(counts) - counts
    factors = np.array([weight for _, weight in choices_left], dtype=np.float64)
    factors /= factors.mean()

    def loss(weight: Floats) -> tuple[float, Floats]:
        scores = (features @ weight.astype(np.float32)).astype(np.float64)[members]
        greatest = np.repeat(np.maximum.reduceat(scores, starts), counts)
        powers = np.exp(scores - greatest)
        sums = np.add.reduceat(powers, starts)
        value = float((factors * (np.log(sums) + greatest[starts] - scores[starts])).sum())
        errors = powers / np.repeat(sums, counts) * np.repeat(factors, counts)
        errors[starts] -= factors
        by_option = np.bincount(members, errors, minlength=len(features)).astype(np.float32)
        return value + float(weight @ weight) / (2 * c), (features.T @ by_option).astype(np.float64) + weight / c

    with threadpool_limits(1):
        fit = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": max_iterations})
    return Head(fit.x[None, :].astype(np.float32), np.zeros(1, dtype=np.float32))
