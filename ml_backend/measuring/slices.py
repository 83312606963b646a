"""Slices of the test rows: how good a version is on each of them, and where a challenger is worse than the champion.

A slice is a name and a mask over test rows. Every row has a score from 0 to 1: whether it was answered rightly, or,
where answers are graded, how well. Slices of fewer rows than `LEAST_ROWS` are not judged.

A challenger is surely worse where the one-sided exact test of McNemar (1947) over the rows that one version alone got
right is significant; for graded scores that is the sign-flip test of Fisher (1935), of which McNemar's is a case. All
slices together err in at most 5% of comparisons: Holm (1979), over the slices on which enough answers differ for any
outcome to be significant (Tarone 1990).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..arrays import Bools, Floats
from ..domain.model import SliceComparison, SliceScore
from .shares import share_interval

__all__ = ["compare_slices", "distinct_slices", "mcnemar_p", "score_slices"]

_Masks = Mapping[str, Mapping[str, Bools]]
"""Per control the masks of its slices, each of shape (N,), by name."""

LEAST_ROWS = 30
SAME = 0.95
"""Share of the rows of two slices that both have, from which the second is left out."""
ERROR = 0.05
EXACT_DIFFERENCES = 100
"""With more rows that differ, the sum of flipped differences is as good as normal, and nothing is drawn."""
FLIPS = 10_000
WARNED_LOSS = 0.03
"""Chosen by simulation, `benchmarks/slices.py`: a slice of 30 rows that is 10 points worse must not go unseen."""


def distinct_slices(masks: Mapping[str, Bools], rows: Bools) -> dict[str, Bools]:
    """The slices that are judged: large enough, neither nearly all rows nor nearly the same as one before.

    Args:
        masks: by name, the more telling ones first, each of shape (N,).
        rows: the rows that count, shape (N,).
    """
    distinct = {"": rows}
    for name, mask in masks.items():
        own = mask & rows
        count = np.count_nonzero(own)
        if count >= LEAST_ROWS and all(
            np.count_nonzero(own & other) < SAME * np.count_nonzero(own | other) for other in distinct.values()
        ):
            distinct[name] = own
    del distinct[""]
    return distinct


def score_slices(scores: Mapping[str, Floats], slices: _Masks) -> tuple[SliceScore, ...]:
    """The mean score of a version on each slice, with a 95% interval, controls and slices in their order.

    The interval is Wilson's (1927) where every row is right or wrong, and Student's where scores are graded.

    Args:
        scores: per control the score of each row, shape (N,); NaN for rows that do not answer it.
        slices: per control the masks of its slices, each of shape (N,), by name.
    """
    return tuple(
        SliceScore(control, name, int(rows.sum()), *_interval(scores[control][rows]))
        for control, name, rows in _large_slices(scores, slices)
    )


def compare_slices(scores: Mapping[str, Floats], slices: _Masks) -> tuple[SliceComparison, ...]:
    """Both versions on each slice, and whether the challenger is worse there; those of the most evidence first.

    `may_be_worse` says that the challenger loses `WARNED_LOSS` or more there: that asks for a look, not for a veto.

    Args:
        scores: per control the scores of champion and challenger per row, shape (2, N); NaN for rows that do not
            answer it.
        slices: as in `score_slices`.
    """
    places = list(_large_slices({control: both[0] for control, both in scores.items()}, slices))
    differences = [np.diff(scores[control][:, rows], axis=0)[0] for control, _, rows in places]
    p_values = np.array([_worse_p(each) for each in differences])
    # All differences of one sign are the clearest outcome that so many rows can have.
    least = 0.5 ** np.array([np.count_nonzero(each) for each in differences], dtype=np.float64)
    is_worse = _rejections(p_values, least)
    comparisons = [
        SliceComparison(
            SliceScore(control, name, int(rows.sum()), *_interval(scores[control][0, rows])),
            SliceScore(control, name, int(rows.sum()), *_interval(scores[control][1, rows])),
            p=float(p_values[k]),
            is_worse=bool(is_worse[k]),
            may_be_worse=bool(-differences[k].mean() >= WARNED_LOSS),
        )
        for k, (control, name, rows) in enumerate(places)
    ]
    return tuple(sorted(comparisons, key=lambda each: each.p))


def mcnemar_p(scores: Floats) -> float:
    """McNemar's exact p, two-sided, over rows that one version alone answers fully right.

    Args:
        scores: of champion and challenger per row, shape (2, N).
    """
    from scipy.stats import binomtest

    first, second = scores >= 1
    lost, gained = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0


def _worse_p(differences: Floats) -> float:
    """The chance that a challenger as good as the champion loses at least as much as these rows show.

    Args:
        differences: of the rows' scores, challenger less champion, shape (N,).
    """
    sizes = np.sort(np.abs(differences[differences != 0]))
    if not len(sizes):
        return 1.0
    loss = -float(differences.sum())
    if sizes[0] == sizes[-1]:
        from scipy.stats import binom

        lost = int((differences < 0).sum())
        return float(binom.sf(lost - 1, len(sizes), 0.5))
    if len(sizes) > EXACT_DIFFERENCES:
        from scipy.stats import norm

        return float(norm.sf(loss / np.sqrt((sizes**2).sum())))
    signs = np.random.default_rng(len(sizes)).integers(0, 2, size=(FLIPS, len(sizes)), dtype=np.int8) * 2 - 1
    return (1 + int((signs @ sizes >= loss - 1e-9).sum())) / (1 + FLIPS)


def _large_slices(scores: Mapping[str, Floats], slices: _Masks) -> Iterator[tuple[str, str, Bools]]:
    for control, masks in slices.items():
        if control in scores:
            is_answered = ~np.isnan(scores[control])
            for name, mask in masks.items():
                rows = mask & is_answered
                if rows.sum() >= LEAST_ROWS:
                    yield control, name, rows


def _rejections(p_values: Floats, least: Floats) -> Bools:
    """The hypotheses that Holm rejects at `ERROR`, among those that can be rejected at all (Tarone)."""
    is_rejected = np.zeros(len(p_values), dtype=np.bool_)
    family: Sequence[int] = ()
    for count in range(1, len(p_values) + 1):
        family = np.flatnonzero(least <= ERROR / count).tolist()
        if len(family) <= count:
            break
    for number, k in enumerate(sorted(family, key=lambda k: p_values[k])):
        if p_values[k] > ERROR / (len(family) - number):
            break
        is_rejected[k] = True
    return is_rejected


def _interval(scores: Floats) -> tuple[float, float, float]:
    """Lower end, mean and upper end."""
    count, mean = len(scores), float(scores.mean())
    if np.isin(scores, (0, 1)).all():
        low, high = share_interval(mean, count)
        return low, mean, high
    from scipy.stats import t

    half = float(t.ppf(0.975, count - 1)) * float(scores.std(ddof=1)) / np.sqrt(count)
    return max(float(mean - half), 0.0), mean, min(float(mean + half), 1.0)
