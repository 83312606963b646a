"""Each label or not, per text."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ...arrays import Bools, Floats, Floats2d
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic
from ..text.tokenised import TokenisedTexts
from .base import WholeTextDecoder

__all__ = ["SigmoidDecoder"]


class SigmoidDecoder(WholeTextDecoder):
    """The labels whose confidence reaches their threshold; it may be none.

    Attributes:
        thresholds: per label, on the confidence; empty: 0.5 for all.
        slope: with `offset` the map from a label's logit to its confidence, see `Logistic`.
        task_slope: with `task_offset` the same from the probability that all labels are right, taken as independent,
            to the confidence in the whole answer.
    """

    head = "sigmoid"
    thresholds: Annotated[tuple[float, ...], Field(strict=False)] = ()
    slope: float = 1.0
    offset: float = 0.0
    task_slope: float = 1.0
    task_offset: float = 0.0

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        if len(self.thresholds) not in (0, len(self.labels)) or not all(0 <= each <= 1 for each in self.thresholds):
            raise ValueError(f"{len(self.thresholds)} thresholds found; wanted {len(self.labels)}, all from 0 to 1")
        return self

    @property
    def columns(self) -> int:
        return len(self.labels)

    def probabilities(self, logits: Floats2d) -> Floats:
        """Confidence per text and label, shape (N, K)."""
        return Logistic(self.slope, self.offset).of_log_odds(logits)

    def chosen(self, probabilities: Floats) -> Bools:
        """Which labels reach their threshold, shape (N, K)."""
        thresholds = np.array(self.thresholds or [0.5] * len(self.labels))
        return np.asarray(probabilities >= thresholds, dtype=np.bool_)

    def likeness(self, _features: Floats2d, logits: Floats2d, _tokenised: TokenisedTexts, /) -> Floats2d:
        # Sets of labels are too many for rows of the same set to lie near: that told less than chance in places.
        greatest: Floats2d = logits.max(axis=1, keepdims=True)
        return greatest

    def joint(self, probabilities: Floats) -> Floats:
        """Probability that all labels are right, taken as independent, shape (N,)."""
        # In logarithms, since a product of many labels' probabilities may be too small for a number.
        right = np.where(self.chosen(probabilities), probabilities, 1 - probabilities)
        return np.asarray(np.exp(np.log(np.maximum(right, 1e-12)).sum(axis=1)), dtype=np.float64)

    def answers(self, logits: Floats2d, _tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        probabilities = self.probabilities(logits)
        chosen = self.chosen(probabilities)
        scores = Logistic(self.task_slope, self.task_offset).of(self.joint(probabilities))
        return [
            ScoredTarget(
                tuple(sorted(label for label, is_chosen in zip(self.labels, line, strict=True) if is_chosen)),
                float(score),
                dict(zip(self.labels, map(float, row), strict=True)),
            )
            for line, row, score in zip(chosen, probabilities, scores, strict=True)
        ]
