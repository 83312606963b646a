"""From a model's numbers to confidences that mean what they say."""

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats, Floats2d

__all__ = ["Logistic", "confidences", "log_odds"]

SMALLEST = 1e-12


def confidences(logits: Floats2d | Floats, temperature: float) -> Floats:
    """Softmax of logits (N, K) over a temperature: rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def log_odds(probabilities: Floats) -> Floats:
    """Logarithm of p / (1 - p), bounded, in the shape given."""
    bounded = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(bounded) - np.log1p(-bounded), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Logistic:
    """A map of probabilities that leaves their order: sigmoid(slope * logit(p) + offset).

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines", on log odds. The default changes nothing.
    """

    slope: float = 1.0
    offset: float = 0.0

    def of(self, probabilities: Floats) -> Floats:
        """The probabilities mapped, in their shape."""
        return self.of_log_odds(log_odds(probabilities))

    def of_log_odds(self, odds: Floats | Floats2d) -> Floats:
        """The same from log odds, such as a sigmoid head's logits."""
        scaled = np.clip(self.slope * odds.astype(np.float64) + self.offset, -50.0, 50.0)
        return np.asarray(1 / (1 + np.exp(-scaled)), dtype=np.float64)
