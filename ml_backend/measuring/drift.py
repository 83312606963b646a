"""Whether blind tasks that come now are like those that a version was judged by: their texts, answers and errors.

The reference is the test rows of the version's snapshot, which neither the version nor its calibration has seen. While
nothing changes, these rows and the blind tasks after them are exchangeable: any order of them is as likely. A text's
p-value is its randomised rank among all that came before it. While nothing changes, such p-values are independent and
uniform, whatever the texts, and bets on them are fair; what a bet goes by may be learned from the p-values before it,
though not from the texts. Errors are bet on directly, against the most errors that the test rows leave possible.

Source: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World" (conformal test martingales); Vovk et
al. 2021, "Retrain or not retrain: conformal test martingales for change-point detection" (their use);
Fedorova et al. 2012, "Plug-in martingales for testing exchangeability on-line" (bets that learn); Clopper and Pearson
1934 (the most errors).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Floats
from .betting import capital, likely_start, loss_gains

__all__ = ["Change", "of_errors", "of_labels", "of_texts", "p_values"]

LEVEL = 0.01
"""The chance that any alarm of a version is false stays at most this."""
TESTS = 3
"""Texts, labels and errors share the level evenly (Bonferroni)."""
RESTARTS, ERROR_RESTARTS = 100.0, 25.0
"""For texts and labels, and for errors, of which fewer come."""
SHARES = np.array([0.1, 0.3, 1.0])
"""Shares of the texts that come from elsewhere, as bets on texts assume them."""
POWERS = np.array([0.5, 0.8])
"""How strange such texts are: their p-values are bet to have the density a p^(a - 1)."""
BINS = (5, 40)
"""Bets on labels go by so many equal parts of the p-values."""
MEMORIES = (50.0, 400.0)
"""They learn from about so many labels before."""
PRIOR = 50.0
"""And start out as if so many labels before had been as in the reference."""
TEXTS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Change:
    """A change that the bets have shown.

    Attributes:
        alarm: the place of the observation at which there was enough evidence.
        start: the place of the one with which the change may have begun.
    """

    alarm: int
    start: int


def of_texts(reference: Floats, strangeness: Floats, draws: Floats) -> Change | None:
    """The change to stranger texts than those of the reference; None where none is shown.

    Args:
        reference: strangeness of the test rows, by a function that none of these rows has determined, shape (R,).
        strangeness: of blind tasks, in the order in which they came, shape (N,).
        draws: uniform on 0 to 1, shape (N,); they break ties.
    """
    p = np.maximum(p_values(reference, strangeness, draws), 1e-12)
    powers = POWERS[:, None] * p ** (POWERS[:, None] - 1)
    gains = [np.log1p(share * (powers - 1)) for share in SHARES]
    return _change(np.concatenate(gains), RESTARTS, TESTS / LEVEL)


def of_labels(reference: Sequence[str], labels: Sequence[str], draws: Floats) -> Change | None:
    """The change to other shares of labels; None where none is shown.

    Args:
        reference: what the version answers to the test rows.
        labels: what it answers to blind tasks, in the order in which they came.
        draws: uniform on 0 to 1, shape (N,).
    """
    # A label's rank is its place in the alphabet, since the order must not come from the labels that are compared.
    places = {label: float(place) for place, label in enumerate(sorted({*reference, *labels}))}
    before, after = (np.array([places[label] for label in some]) for some in (reference, labels))
    p = p_values(before, after, draws)
    return _change(np.concatenate([_learned_gains(p, bins) for bins in BINS]), RESTARTS, TESTS / LEVEL)


def of_errors(reference: Bools, errors: Bools) -> Change | None:
    """The change to more errors than the test rows leave possible; None where none is shown.

    Half of the level is for the chance that they leave too little possible.

    Args:
        reference: whether each answer to a test row is wrong, shape (R,), at least one.
        errors: whether each answer to a blind task is, in the order in which people gave theirs, shape (N,).
    """
    from scipy.stats import beta

    wrong = int(reference.sum())
    most = float(beta.ppf(1 - LEVEL / TESTS / 2, wrong + 1, len(reference) - wrong)) if wrong < len(reference) else 1.0
    return _change(loss_gains(errors, most), ERROR_RESTARTS, 2 * TESTS / LEVEL)


def p_values(reference: Floats, scores: Floats, draws: Floats) -> Floats:
    """Per score the share of scores up to it, its own and those of the reference among them, that are at least as high.

    Ties are broken at random. While all scores are exchangeable, these are independent of each other and uniform.

    Args:
        reference: shape (R,).
        scores: in order, shape (N,).
        draws: uniform on 0 to 1, shape (N,).
    """
    p = np.zeros(len(scores))
    before = np.sort(reference)
    for start in range(0, len(scores), TEXTS_AT_ONCE):
        some = scores[start : start + TEXTS_AT_ONCE]
        earlier = np.tri(len(some), k=-1, dtype=np.bool_)
        higher = len(before) - np.searchsorted(before, some, side="right")
        higher = higher + (earlier & (some[None, :] > some[:, None])).sum(axis=1)
        equal = np.searchsorted(before, some, side="right") - np.searchsorted(before, some, side="left")
        equal = equal + (earlier & (some[None, :] == some[:, None])).sum(axis=1)
        seen = len(before) + np.arange(len(some)) + 1
        p[start : start + len(some)] = (higher + draws[start : start + len(some)] * (equal + 1)) / seen
        before = np.sort(np.concatenate([before, some]))
    return p


def _learned_gains(p: Floats, bins: int) -> Floats:
    """Gains of bets that p-values fall where they fell of late, one for each memory, shape (K, N)."""
    from scipy.signal import lfilter

    places = np.minimum((p * bins).astype(np.int64), bins - 1)
    fell = np.eye(bins)[places]
    gains = np.zeros((len(MEMORIES), len(p)))
    for number, memory in enumerate(MEMORIES):
        # How often each part was hit before, the less the longer ago.
        recent = lfilter([0.0, 1.0], [1.0, 1 / memory - 1], fell, axis=0)
        expected = (recent[np.arange(len(p)), places] + PRIOR / bins) / (recent.sum(axis=1) + PRIOR)
        gains[number] = np.log(bins * expected)
    return gains


def _change(gains: Floats, restarts: float, enough: float) -> Change | None:
    reached = np.flatnonzero(capital(gains, restarts=restarts) >= enough)
    return Change(int(reached[0]), likely_start(gains[:, : reached[0] + 1])) if len(reached) else None
