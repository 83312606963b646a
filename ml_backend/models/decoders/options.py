"""Each of the options that a text offers, or not."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Floats2d
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic
from .option import OptionDecoder

__all__ = ["OptionsDecoder"]


class OptionsDecoder(OptionDecoder):
    """The options whose confidence reaches the threshold; it may be none.

    Attributes:
        slope: with `offset` the map from an option's logit to its confidence, see `Logistic`.
        threshold: on the confidence.
    """

    head = "options"
    suits_untrained = False
    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def answer(self, names: Sequence[str], logits: Floats2d) -> ScoredTarget:
        chances = Logistic(self.slope, self.offset).of_log_odds(logits[:, 0])
        is_chosen = chances >= self.threshold
        # In logarithms, since a product of many chances may be too small for a number.
        joint = np.exp(np.log(np.maximum(np.where(is_chosen, chances, 1 - chances), 1e-12)).sum())
        return ScoredTarget(
            tuple(sorted(name for name, chosen in zip(names, is_chosen, strict=True) if chosen)),
            float(Logistic(self.task_slope, self.task_offset).of(np.array([joint]))[0]),
            dict(zip(names, map(float, chances), strict=True)),
        )
