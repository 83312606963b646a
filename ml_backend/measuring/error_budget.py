"""The budget of error of a project: the chance that a version that is not better is ever promoted, over all its gates.

A gate that is held in the same way every time errs in 5% of cases each time, so a project that holds enough of them
promotes a version by luck sooner or later. Here the 5% are those of the project's whole life. Each gate that keeps the
champion has spent a share of them, the first one most, later ones less and less, so that all shares together stay
below the budget. A gate that promotes has spent nothing: its share goes to the next (the fallback procedure of Wiens
and Dmitrienko 2005, online: Tian and Ramdas 2021).

Gates of a project look at much the same test rows, so they err together rather than one after the other. A share
buys a lower cutoff for it: the one that a gate exceeds by luck, although no earlier gate did, with a chance of exactly
its share (the alpha spending of Lan and DeMets 1983). How the leads of all gates vary together is known from how much
each test row moved each lead, the rows' influences, which are kept for that purpose.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..arrays import Floats, Floats2d
from ..domain.model import LIFETIME_ERROR

__all__ = ["ErrorBudget", "GateEvidence", "error_share"]

FIRST_SHARE = 0.65
"""The share of the budget that the first gate spends if it keeps the champion."""
LATER_SHARE = 0.25
"""The share for all gates after it. The rest stays unspent: the far ends of bootstrapped intervals err a bit."""
DECAY = 1.3
"""The shares after it fall with this power of their number."""
_DECAYING_SUM = 3.93194921180954
"""Sum of n to the power of -1.3 over all n from 1: Riemann's zeta function there."""
DRAWS = 2048
"""A power of two, as Sobol sequences want it."""
_JITTER = 1e-6
"""Keeps the matrix of correlations invertible where two gates are about the same answers."""
_GREATEST_CUTOFF = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class GateEvidence:
    """The traces of a gate that later gates need.

    Attributes:
        keys: a number per test row that stays that of its text, shape (N,); in ascending order, each once.
        influences: how far each of these rows moved the challenger's lead, in any unit, shape (N,); sum 0.
        cutoff: standard errors by which the lead had to exceed what it had to exceed.
    """

    keys: npt.NDArray[np.uint64]
    influences: Floats2d
    cutoff: float = _GREATEST_CUTOFF

    @classmethod
    def of(cls, keys: Sequence[int], influences: Floats) -> "GateEvidence":
        """Return the evidence of a gate whose cutoff is not known yet; rows with one key count as one.

        Args:
            keys: per test row, shape (N,); from 0 to 2^64 - 1.
            influences: shape (N,), in any unit.
        """
        distinct, places = np.unique(np.array(keys, dtype=np.uint64), return_inverse=True)
        summed = np.bincount(places, weights=influences, minlength=len(distinct))
        length = float(np.linalg.norm(summed))
        return cls(distinct, (summed / length if length else summed).astype(np.float32))

    @classmethod
    def from_bytes(cls, content: bytes) -> "GateEvidence":
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(arrays["keys"], arrays["influences"], float(arrays["cutoff"]))

    def to_bytes(self) -> bytes:
        """Return it as a file in NumPy's own format, 12 bytes per row."""
        file = io.BytesIO()
        np.savez(file, keys=self.keys, influences=self.influences, cutoff=np.float64(self.cutoff))
        return file.getvalue()

    @property
    def confidence(self) -> float:
        """The chance that a lead that is none stays below the cutoff: confidence of the gate's one-sided interval."""
        from scipy.special import ndtr

        return float(ndtr(self.cutoff))

    @property
    def is_contest(self) -> bool:
        """False where champion and challenger did equally well on every row, so that none could be promoted by luck."""
        return bool(self.influences.any())

    def repeats(self, other: "GateEvidence") -> bool:
        """True where both are about the same answers to the same rows."""
        return np.array_equal(self.keys, other.keys) and np.array_equal(self.influences, other.influences)


class ErrorBudget:
    """The chance of a wrong promotion that the gates of a project have spent, and that the next one may spend."""

    def __init__(self, kept: Sequence[GateEvidence] = ()) -> None:
        """Begin with what was spent.

        Args:
            kept: evidence of the gates that kept the champion, in order. One that repeats another is left out: the
                same answers to the same rows are the same gate.
        """
        self._kept: list[GateEvidence] = []
        for gate in kept:
            if self.is_charged(gate):
                self._kept.append(gate)

    @cached_property
    def spent(self) -> float:
        """Chance of a wrong promotion that the gates before have spent, of `LIFETIME_ERROR`."""
        return sum((error_share(number) for number in range(len(self._kept))), start=0.0)

    @cached_property
    def next_share(self) -> float:
        """The chance that the next gate spends if it keeps the champion."""
        return error_share(len(self._kept))

    def is_charged(self, gate: GateEvidence) -> bool:
        """False for a gate that costs nothing, even if it keeps the champion: it repeats another, or is no contest."""
        return gate.is_contest and self._former(gate) is None

    def charge(self, gate: GateEvidence) -> GateEvidence:
        """Return the evidence with the cutoff that its share buys; where it repeats a gate, that gate's."""
        if (former := self._former(gate)) is not None:
            return former
        cutoffs = np.array([earlier.cutoff for earlier in self._kept])
        cutoff = _cutoff(_correlations([*self._kept, gate]), cutoffs, self.next_share)
        return GateEvidence(gate.keys, gate.influences, cutoff)

    def _former(self, gate: GateEvidence) -> GateEvidence | None:
        return next((earlier for earlier in self._kept if gate.repeats(earlier)), None)


def error_share(number: int) -> float:
    """Return what a gate spends before which this many kept the champion, or a certificate after as many failures."""
    if number == 0:
        return LIFETIME_ERROR * FIRST_SHARE
    return LIFETIME_ERROR * LATER_SHARE * math.pow(number, -DECAY) / _DECAYING_SUM


def _correlations(gates: Sequence[GateEvidence]) -> Floats:
    """Correlations of the leads of gates, shape (G, G): the rows that two have in common move both."""
    keys = np.unique(np.concatenate([gate.keys for gate in gates]))
    influences = np.zeros((len(gates), len(keys)))
    for gate, line in zip(gates, influences, strict=True):
        line[np.searchsorted(keys, gate.keys)] = gate.influences
    correlations: Floats = influences @ influences.T
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _cutoff(correlations: Floats, cutoffs: Floats, share: float) -> float:
    """Return what the last of several standard normal leads exceeds, while no other exceeds its own cutoff, that often.

    Integrates over the leads before the last one by the method of Genz (1992), on points of a Sobol sequence; the last
    one is integrated exactly, so that small shares are met as well as large ones.

    Args:
        correlations: of all leads, shape (G + 1, G + 1).
        cutoffs: of those before the last one, shape (G,).
        share: a chance.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    earlier = len(cutoffs)
    if not earlier:
        return float(-ndtri(share))
    root = np.linalg.cholesky(correlations + _JITTER * np.eye(earlier + 1))
    points = qmc.Sobol(earlier, rng=np.random.default_rng(1)).random(DRAWS)
    leads, chances = np.empty((earlier, DRAWS)), np.ones(DRAWS)
    for gate in range(earlier):
        below = ndtr((cutoffs[gate] - root[gate, :gate] @ leads[:gate]) / root[gate, gate])
        leads[gate] = ndtri(np.clip(points[:, gate] * below, 1e-300, 1 - 1e-16))
        chances *= below
    expected = root[earlier, :earlier] @ leads

    def excess(cutoff: float) -> float:
        return float(np.mean(chances * ndtr((expected - cutoff) / root[earlier, earlier]))) - share

    if excess(_GREATEST_CUTOFF) > 0:
        return _GREATEST_CUTOFF
    return float(brentq(excess, -_GREATEST_CUTOFF, _GREATEST_CUTOFF, xtol=1e-6))
