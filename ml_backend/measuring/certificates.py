"""Certificates: "the answers that are accepted are wrong in at most 2%, with 95% confidence".

Answers are accepted from a confidence on. Validation rows put such thresholds into an order; blind test rows, which
chose nothing, then test them one after another, each at the full level, until one fails: the last that passed is
certified. The chance that a certificate promises too much is at most `delta`. After that people answer a random share
of what was accepted, without a hint; a bet on each of their answers shows when the certificate no longer holds, however
often it is looked at.

A loss is what an answer costs: true or false where it is right or wrong as a whole, and from 0 to 1 where it may be
wrong in part (the share of spans, or of controls). `limit` is the mean loss that is promised.

Source: Angelopoulos et al. 2021, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control" (the
fixed sequence of thresholds); Clopper and Pearson 1934, "The Use of Confidence or Fiducial Limits Illustrated in the
Case of the Binomial" (losses that are true or false); Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
variables by betting" (losses in between, and the monitor).
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..arrays import Bools, Floats, Ints
from .betting import capital, loss_gains

__all__ = ["Certificate", "e_values", "missing_rows", "rows_needed"]

Answered: TypeAlias = tuple[Floats, Bools | Floats]
"""The confidence in the answer to each row, shape (N,), and its loss: a truth value each, or a number from 0 to 1."""
Labels: TypeAlias = Sequence[str]

STEPS = 20
"""Thresholds lie this finely: each accepts another twentieth of the validation rows."""
POWER = 0.9
"""The chance of success that a forecast of missing rows asks for. In fact it is 80%, since the best of several
thresholds looks better than it is."""
ROWS_TO_SPARE = 1.5
"""A label is certified apart where it has so many times the rows that it takes without an error."""
MOST_ERRORS = 100
"""A forecast sees no way to a certificate that so many errors among the accepted rows would have to leave open."""
PRIOR_LOSS = 0.25
LARGEST_BET, PRIOR_ROWS, SEED = 0.9, 10.0, 1
RESTARTS = 25.0
"""Audits are few, so the monitor bets half its capital within so many answers."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The promise that answers of at least a confidence have a mean loss of at most `limit`.

    Attributes:
        threshold: the confidence from which on answers are accepted.
        limit: the promised mean loss, such as .02.
        delta: the chance that the promise is wrong, at most.
        rows: blind test rows that it rests on, all of them above the threshold.
        loss: their mean loss.
        share: the share of the test rows that they are.
    """

    threshold: float
    limit: float
    delta: float
    rows: int
    loss: float
    share: float

    @classmethod
    def of(cls, validation: Answered, blind: Answered, *, limit: float, delta: float) -> "Certificate | None":
        """The certificate that covers the most answers, by blind test rows; None where there is none.

        Thresholds are tested from the one that is likeliest to pass down. Every call on blind rows that another call
        has seen costs another `delta`.

        Args:
            validation: chooses the thresholds and their order.
            blind: rows that chose neither these nor the model nor its calibration. Where losses are numbers, in an
                order that does not depend on confidences or losses, such as that of their ids.
        """
        scores, losses = blind
        certified = None
        for threshold in _sequence(validation, len(scores), limit, delta).tolist():
            accepted = scores >= threshold
            if _p_value(losses[accepted], limit, delta) > delta:
                break
            rows, loss, share = int(accepted.sum()), float(losses[accepted].mean()), float(accepted.mean())
            certified = cls(threshold, limit, delta, rows, loss, share)
        return certified

    @classmethod
    def by_label(
        cls, validation: Answered, blind: Answered, answered: tuple[Labels, Labels], *, limit: float, delta: float
    ) -> "dict[str, Certificate]":
        """Certificates that hold for each label with rows enough, and for the other labels together.

        One certificate for all answers may promise 2% and still hold a label that is wrong in 10%. Of what these cover,
        no frequent label is wrong in more than the limit; the price is that they cover less. They share `delta` evenly,
        so that all of them hold with a chance of 1 - delta (Bonferroni).

        Args:
            validation: see `of`, as for `blind`.
            answered: the label that was answered to each validation row, and to each blind one.

        Returns:
            By answered label, labels without a certificate left out; the other labels share one.
        """
        chosen_labels, labels = answered
        counts = Counter(chosen_labels)
        ranked = sorted(counts, key=lambda label: (-counts[label], label))
        expected = [counts[label] / len(chosen_labels) * len(labels) for label in ranked]
        frequent = 0
        while frequent < len(ranked) and expected[frequent] >= ROWS_TO_SPARE * rows_needed(
            limit, delta / (frequent + 2)
        ):
            frequent += 1
        groups = [{label} for label in ranked[:frequent]]
        others = {*ranked[frequent:], *labels}.difference(*groups)
        groups += [others] if others else []
        certified: dict[str, Certificate] = {}
        for group in groups:
            parts = (_of_labels(validation, chosen_labels, group), _of_labels(blind, labels, group))
            found = cls.of(*parts, limit=limit, delta=delta / len(groups))
            certified |= {label: found for label in group if found is not None}
        return certified


def rows_needed(limit: float, delta: float, *, errors: int = 0) -> int:
    """The least number of accepted blind rows, so many of them wrong, that certify a limit: 149 for 2% without one."""
    from scipy.stats import binom, chi2

    # Enough by the Poisson distribution, which has the heavier tail.
    enough = math.ceil(float(chi2.ppf(1 - delta, 2 * errors + 2)) / (2 * limit))
    return bisect_left(range(enough), True, key=lambda rows: bool(binom.cdf(errors, rows, limit) <= delta))


def missing_rows(validation: Answered, *, rows: int, limit: float, delta: float) -> tuple[int, float] | None:
    """Forecast how many more blind test rows a certificate takes, and the share of answers that it would cover.

    The forecast rests on validation rows, so that it can be asked for as often as one likes. It is for a chance of
    success of about 80%, with losses counted as if each were all or nothing.

    Args:
        rows: how many blind test rows there are.

    Returns:
        None where no answers are right often enough, however many rows there are.
    """
    from scipy.stats import binom

    _, shares, errors = _candidates(validation)
    passing = _powers(np.floor(rows * shares).astype(np.int64), errors, limit, delta) >= POWER
    if passing.any():
        return 0, float(shares[passing].max())
    counts = np.arange(MOST_ERRORS)
    needed = np.array([rows_needed(limit, delta, errors=count) for count in counts.tolist()])
    wanted = [
        (math.ceil(needed[enough.argmax()] / share), share)
        for share, error in zip(shares.tolist(), errors.tolist(), strict=True)
        if (enough := binom.cdf(counts, needed, error) >= POWER).any()
    ]
    total, share = min(wanted, default=(0, 0.0))
    return (total - rows, share) if wanted else None


def e_values(losses: Bools | Floats, limit: float) -> Floats:
    """The evidence, after each audited answer, that accepted answers cost more than the limit: revoke at 1 / delta.

    Whatever the number of looks, the chance that it ever reaches 1 / delta is at most delta as long as the mean loss is
    within the limit, see `betting`.

    Args:
        losses: of a random share of the accepted answers, in the order in which people gave theirs.

    Returns:
        Shape (N,).
    """
    return capital(loss_gains(losses, limit), restarts=RESTARTS)


def _of_labels(rows: Answered, answered: Labels, wanted: Collection[str]) -> Answered:
    chosen = np.array([label in wanted for label in answered], dtype=np.bool_)
    return rows[0][chosen], rows[1][chosen]


def _sequence(validation: Answered, rows: int, limit: float, delta: float) -> Floats:
    """Thresholds to certify in order, falling; none where the blind rows are too few even without an error."""
    thresholds, shares, errors = _candidates(validation)
    powers = _powers(np.floor(rows * shares).astype(np.int64), errors, limit, delta)
    return thresholds[int(powers.argmax()) :] if powers.any() else thresholds[:0]


def _candidates(validation: Answered) -> tuple[Floats, Floats, Floats]:
    """Thresholds, falling, the share of validation rows that each accepts, and an estimate of their mean loss.

    That is the mean of the losses and of what the confidences say of them, since few rows show no small loss.
    """
    scores, losses = validation
    rows = len(scores)
    ranks = np.ceil(np.arange(1, STEPS + 1) * rows / STEPS).astype(np.int64)[: STEPS * bool(rows)]
    thresholds = np.unique(np.sort(scores)[rows - ranks])[::-1]
    accepted = scores >= thresholds[:, None]
    counts = accepted.sum(axis=1)
    estimates = (accepted @ (losses + 1 - scores) + PRIOR_LOSS) / (2 * counts + 2 * PRIOR_LOSS)
    return thresholds, counts / max(rows, 1), estimates


def _powers(rows: Ints, errors: Floats, limit: float, delta: float) -> Floats:
    """The chance that so many accepted rows with such a true loss certify the limit."""
    from scipy.stats import binom

    most = binom.ppf(delta, rows, limit)
    most = most - (binom.cdf(most, rows, limit) > delta)
    return np.asarray(np.where(most >= 0, binom.cdf(most, rows, errors), 0.0), dtype=np.float64)


def _p_value(losses: Bools | Floats, limit: float, level: float) -> float:
    """The chance of losses as small as these, at most, if their true mean were above the limit; 1 for no rows.

    For losses that are true or false it is the exact binomial tail (Clopper and Pearson). For numbers it is one over
    the largest capital that bets against the limit reach, by Ville's inequality; the bets are the predictable ones of
    Waudby-Smith and Ramdas for a known number of rows (section 3.3), on rows that are shuffled first, since files are
    often in the order of labels.

    Args:
        limit: above 0 and below 1.
        level: the p-value that decides; the bets are best for it, and valid for every other.
    """
    from scipy.stats import binom

    rows = len(losses)
    if not rows:
        return 1.0
    if losses.dtype == np.bool_:
        return float(binom.cdf(int(losses.sum()), rows, limit))
    shuffled = np.random.default_rng(SEED).permutation(losses)
    counts = PRIOR_ROWS + np.arange(rows + 1)
    means = (PRIOR_ROWS * limit / 2 + np.concatenate([[0.0], np.cumsum(shuffled)])) / counts
    squares = np.concatenate([[0.0], np.cumsum((shuffled - means[1:]) ** 2)])
    variances = ((PRIOR_ROWS * limit / 4 + squares) / counts)[:-1]
    bets = np.minimum(np.sqrt(-2 * np.log(level) / (rows * variances)), LARGEST_BET / (1 - limit))
    capital = np.cumsum(np.log1p(bets * (limit - shuffled)))
    return float(np.exp(-max(capital.max(), 0.0)))
