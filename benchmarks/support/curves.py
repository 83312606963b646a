"""Learning curves: where they cross a target, the area under them, and what several seeds say together."""

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["Curve", "area", "crossing", "mean_interval"]

Curve = Sequence[tuple[int, float]]
"""Labels and score, in order; at least one pair."""


def crossing(curve: Curve, target: float) -> float | None:
    """The labels at which a curve first reaches a score, on the line between two points; None where it never does."""
    before: tuple[int, float] | None = None
    for labels, score in curve:
        if score >= target:
            if before is None:
                return float(labels)
            return before[0] + (target - before[1]) / (score - before[1]) * (labels - before[0])
        before = (labels, score)
    return None


def area(curve: Curve) -> float:
    """The mean score from the first to the last number of labels, by the trapezoidal rule."""
    if len(curve) < 2:
        return curve[0][1]
    parts = ((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(curve))
    return sum(parts) / (curve[-1][0] - curve[0][0])


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean with its 95% interval by Student's t: low, mean, high; of one value, that value three times."""
    from scipy import stats

    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean, mean + half
