"""From logits to confidences that mean what they say, and how well they do.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling, expected calibration error);
Platt 1999, "Probabilistic Outputs for Support Vector Machines" (the logistic map); Nixon et al. 2019, "Measuring
Calibration in Deep Learning" (bins of equal mass, which leave none to a handful of rows).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypedDict

import numpy as np

from ..arrays import Bools, Floats, Floats2d, Ints
from ..models.bundle.manifest import PartFacts
from ..models.text.confidence import Logistic

__all__ = ["Calibration", "Reliability", "fit_logistic", "fit_temperature"]


LOWEST, HIGHEST = 0.05, 20.0
STEEPEST = 20.0
BINS = 10
LEAST_BIN_ROWS = 10


class Bin(TypedDict):
    """Answers of about the same confidence: its mean, the share of right ones, and that share's exact 95% interval."""

    rows: int
    confidence: float
    accuracy: float
    low: float
    high: float


class Calibration(TypedDict):
    """How far confidences are from accuracies, over bins of equally many answers; a JSON object."""

    rows: int
    expected_error: float
    bins: list[Bin]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How confident a model is in its answers to held-out rows, and which of them are right; all of shape (N,).

    Attributes:
        raw: the confidences before calibration.
        scores: the confidences after it.
    """

    LEAST_ROWS: ClassVar[int] = 30
    """With fewer rows a temperature says more about chance than about the model."""

    raw: Floats
    scores: Floats
    is_right: Bools

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.scores)

    def score_quantiles(self) -> tuple[float, ...]:
        """The 0th to 100th percentile of the confidences; evenly spread ones without rows."""
        shares = np.linspace(0.0, 1.0, PartFacts.QUANTILES)
        if not self.rows:
            return tuple(shares.tolist())
        return tuple(np.quantile(self.scores, shares).tolist())

    def expected_error(self) -> float:
        """Mean distance between confidence and accuracy, over up to 10 bins of equal mass, weighted by rows; 0 without.

        Chance alone makes it greater than 0, the more so the fewer the rows.
        """
        scores, is_right = self.scores, self.is_right
        return float(sum(abs(is_right[each].mean() - scores[each].mean()) * each.mean() for each in self._bins()))

    def calibration(self) -> Calibration:
        """The expected error, and the bins behind it in rising order of confidence."""
        return {"rows": self.rows, "expected_error": self.expected_error(), "bins": list(map(self._bin, self._bins()))}

    def _bins(self) -> Iterator[Bools]:
        """Yield the rows of each bin; equal confidences share one, so that there may be fewer bins."""
        count = max(1, min(BINS, self.rows // LEAST_BIN_ROWS))
        inner = np.linspace(0.0, 1.0, count + 1)[1:-1]
        edges = np.quantile(self.scores, inner) if self.rows else inner
        place = np.searchsorted(np.unique(edges), self.scores, side="right")
        return (place == each for each in np.unique(place))

    def _bin(self, members: Bools) -> Bin:
        from scipy.stats import binomtest

        right, rows = int(self.is_right[members].sum()), int(members.sum())
        interval = binomtest(right, rows).proportion_ci()
        return {
            "rows": rows,
            "confidence": float(self.scores[members].mean()),
            "accuracy": right / rows,
            "low": float(interval.low),
            "high": float(interval.high),
        }

    def warnings(self) -> list[str]:
        """A sentence where the rows were too few."""
        if self.rows >= Reliability.LEAST_ROWS:
            return []
        fact = f"{self.rows} held-out rows calibrate the confidence scores, {Reliability.LEAST_ROWS} are wanted"
        return [f"{fact}: read the scores as a ranking until more tasks are reviewed"]


def fit_temperature(logits: Floats2d, indices: Ints) -> float:
    """The temperature that gives held-out rows their highest likelihood, from 0.05 to 20.

    Args:
        logits: shape (N, K), N above 0, of rows that the model was not trained on.
        indices: class per row, shape (N,).
    """
    from scipy.optimize import minimize_scalar

    rows = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        scaled = rows / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(scaled).sum(axis=1))
        return float((normaliser - scaled[np.arange(len(rows)), indices]).mean())

    fit = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(fit.x))


def fit_logistic(log_odds: Floats, is_right: Bools) -> Logistic:
    """The rising logistic map under which right and wrong answers are likeliest; unchanged odds without both kinds.

    As Platt has it, right answers count as a little less than surely right, and wrong ones in the same way, so that few
    rows never make a model certain.

    Args:
        log_odds: of the answers' raw confidences, shape (N,); infinite ones are bounded.
        is_right: shape (N,).
    """
    from scipy.optimize import minimize

    right = int(is_right.sum())
    wrong = len(is_right) - right
    if not right or not wrong:
        return Logistic()
    odds = np.clip(log_odds.astype(np.float64), -50.0, 50.0)
    aim = np.where(is_right, (right + 1) / (right + 2), 1 / (wrong + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scaled = parameters[0] * odds + parameters[1]
        value = float((np.logaddexp(0, scaled) - aim * scaled).mean())
        error = 1 / (1 + np.exp(-np.clip(scaled, -500, 500))) - aim
        return value, np.array([(error * odds).mean(), error.mean()])

    fit = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=((0.0, STEEPEST), (None, None)), method="L-BFGS-B")
    return Logistic(float(fit.x[0]), float(fit.x[1]))
