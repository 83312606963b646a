"""Working time from lead times, which also run while an annotator drinks coffee.

Lead times are close to log-normal (van der Linden 2006 on response times), so a break shows as an outlier of their
logarithm: a modified z-score above 3.5 (Iglewicz and Hoaglin 1993), from the median and the median absolute deviation,
which breaks in up to half of the times cannot move. What was worked during a break is unknown. It is taken for the mean
of the same annotator's other times: cutting it to the fence instead would count every break as one of the longest
labels, and a break in twenty would make labels look a tenth dearer than they are.
"""

import numpy as np

from ..arrays import Bools, Floats, Ints

__all__ = ["mean_interval", "work_seconds"]

LARGEST_SCORE = 3.5
MAD_OF_NORMAL = 0.6745
LEAST_DEVIATION = 0.1
"""The least deviation of the logarithm: times that hardly differ must not make outliers of slightly longer ones."""
LEAST_TIMES = 20
"""With fewer, an annotator's fence is that of all annotators."""
CONFIDENCE = 0.95


def work_seconds(seconds: Floats, groups: Ints) -> tuple[Floats, Bools]:
    """Return the working time per label, and where it was measured.

    Args:
        seconds: lead times, shape (N,); NaN or 0 where nobody measured.
        groups: a number per label, such as of its annotator, shape (N,). Fences and means are a group's own.

    Returns:
        Seconds, NaN where nothing was measured in the whole group; and False where a time is the group's mean, because
        it was missing or held a break.
    """
    has_time = np.nan_to_num(seconds) > 0
    logarithms = np.log(np.where(has_time, seconds, 1.0))
    is_measured = np.zeros(len(seconds), dtype=np.bool_)
    worked = np.full(len(seconds), np.nan)
    for group in np.unique(groups):
        own = has_time & (groups == group)
        fence = _fence(logarithms[own if own.sum() >= LEAST_TIMES else has_time])
        is_measured |= own & (logarithms <= fence)
    for group in np.unique(groups):
        own = groups == group
        if (is_measured & own).any():
            worked[own] = seconds[is_measured & own].mean()
    worked[is_measured] = seconds[is_measured]
    return worked, is_measured


def mean_interval(values: Floats) -> tuple[float, float, float]:
    """Return the lower end of the 95% interval of a mean (Student's t), the mean, and the upper end.

    With one value the interval is not known, and its ends are NaN; with none the mean is NaN as well.
    """
    from scipy.stats import t

    if len(values) < 2:
        return float("nan"), float(values.mean()) if len(values) else float("nan"), float("nan")
    mean = float(values.mean())
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean - half, mean, mean + half


def _fence(logarithms: Floats) -> float:
    if not len(logarithms):
        return np.inf
    middle = np.median(logarithms)
    deviation = np.median(np.abs(logarithms - middle)) / MAD_OF_NORMAL
    return float(middle + LARGEST_SCORE * max(deviation, LEAST_DEVIATION))
