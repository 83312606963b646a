"""Capital of bets against a claim: the more it grows, the stronger the evidence that the claim is wrong.

Bets are fair or worse as long as the claim holds. So the chance that the capital ever reaches 1 / level is at most
`level`, however often one looks (Ville's inequality).

Source: Shafer 2021, "Testing by betting"; Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables
by betting" (bets on losses).
"""

import numpy as np

from ..arrays import Bools, Floats

__all__ = ["capital", "likely_start", "loss_gains"]

BETS = np.array([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
"""Shares of the capital that a bet on losses loses with every answer that costs nothing."""


LARGEST = 700.0
"""The logarithm of the largest capital that is told apart from more; floats end soon after."""


def capital(gains: Floats, *, restarts: float) -> Floats:
    """The capital after each observation, from 1 on, spread evenly over several ways to bet.

    Each way begins anew at every observation with a share of what is not bet yet, so that a change is seen that comes
    late.

    Args:
        gains: the logarithm of what each way multiplies its capital by, at each observation, shape (K, N).
        restarts: half the capital is bet within so many observations, and half of the rest within twice as many more.

    Returns:
        Shape (N,).
    """
    unspent = restarts / (restarts + np.arange(gains.shape[1] + 1))
    # Capital that is bet from an observation on grows with the gains from there on: all of them, less the ones before.
    grown = np.cumsum(gains, axis=1)
    begun = np.logaddexp.accumulate(np.log(unspent[:-1] - unspent[1:]) - (grown - gains), axis=1)
    return np.asarray(np.exp(np.minimum(grown + begun, LARGEST)).mean(axis=0) + unspent[1:], dtype=np.float64)


def likely_start(gains: Floats) -> int:
    """The observation from which on betting would have gained most: about where the claim ceased to hold.

    Args:
        gains: as in `capital`, of at least one observation.
    """
    before = np.cumsum(gains, axis=1) - gains
    total = gains.sum(axis=1, keepdims=True)
    return int(np.unravel_index(np.argmax(total - before), gains.shape)[1])


def loss_gains(losses: Bools | Floats, limit: float) -> Floats:
    """Gains of bets that the mean loss is above a limit, shape (K, N); section 4 of Waudby-Smith and Ramdas.

    Args:
        losses: true or false, or from 0 to 1, shape (N,).
    """
    return np.asarray(np.log1p(BETS[:, None] / limit * (losses.astype(np.float64) - limit)), dtype=np.float64)
