"""From logits to confidences that mean what they say.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling, expected calibration error).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..encoders.bundle import QUANTILES, confidences
from ..encoders.embed import Floats2d

__all__ = [
    "LEAST_CALIBRATION_ROWS",
    "Calibration",
    "Ints",
    "calibrated",
    "expected_calibration_error",
    "fit_temperature",
]

Ints = npt.NDArray[np.int64]

LEAST_CALIBRATION_ROWS = 30
"""With fewer rows a temperature says more about chance than about the model."""
LOWEST, HIGHEST = 0.05, 20.0
BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A temperature and the rows that it was fitted on.

    Attributes:
        logits: shape (N, K).
        indices: class per row, shape (N,).
    """

    temperature: float
    logits: Floats2d
    indices: Ints

    @property
    def rows(self) -> int:
        """How many rows it was fitted on."""
        return len(self.logits)

    def score_quantiles(self) -> tuple[float, ...]:
        """The 0th to 100th percentile of the confidence in the answers; evenly spread ones without rows."""
        shares = np.linspace(0.0, 1.0, QUANTILES)
        if not self.rows:
            return tuple(shares.tolist())
        return tuple(np.quantile(confidences(self.logits, self.temperature).max(axis=1), shares).tolist())

    def expected_error(self) -> float:
        """See `expected_calibration_error`."""
        return expected_calibration_error(self.logits, self.indices, self.temperature)

    def warnings(self) -> list[str]:
        """A sentence where the rows were too few."""
        if self.rows >= LEAST_CALIBRATION_ROWS:
            return []
        found = f"{self.rows} held-out rows calibrate the confidence scores, {LEAST_CALIBRATION_ROWS} are wanted"
        return [f"{found}: read the scores as a ranking until more tasks are reviewed"]


def calibrated(logits: Floats2d, indices: Ints) -> Calibration:
    """A temperature fitted on held-out rows; 1 with too few of them to tell.

    Args:
        logits: shape (N, K), of rows that the model was not trained on.
        indices: class per row, shape (N,).
    """
    temperature = fit_temperature(logits, indices) if len(logits) >= LEAST_CALIBRATION_ROWS else 1.0
    return Calibration(temperature, logits, indices)


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

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def expected_calibration_error(logits: Floats2d, indices: Ints, temperature: float) -> float:
    """Mean distance between confidence and accuracy over 15 bins of equal width, weighted by rows; 0 without rows."""
    if not len(logits):
        return 0.0
    probabilities = confidences(logits, temperature)
    scores, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == indices
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    return float(
        sum(abs(is_right[bins == b].mean() - scores[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    )
