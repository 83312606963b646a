"""One of several levels per text, such as a rating from 1 to 5."""

import numpy as np

from ...arrays import Floats, Floats2d, Ints
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic
from ..text.tokenised import TokenisedTexts
from .softmax import SoftmaxDecoder

__all__ = ["OrdinalDecoder"]


class OrdinalDecoder(SoftmaxDecoder):
    """The middle one of the levels by their chances, of which as much lies above as below: its expected error is least.

    Confidence is the chance that the level is exactly right, that is, within half a step.

    Attributes:
        labels: whole numbers in rising order, as text.
        slope: with `offset` the map from the level's chance to the confidence in it, see `Logistic`.
    """

    head = "ordinal"
    is_named = False
    slope: float = 1.0
    offset: float = 0.0

    def answers(self, logits: Floats2d, tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        answers = super().answers(logits, tokenised)
        scores = Logistic(self.slope, self.offset).of(np.array([each.score for each in answers]))
        return [
            ScoredTarget(int(str(each.target)), score, each.scores)
            for each, score in zip(answers, scores.tolist(), strict=True)
        ]

    def chosen(self, probabilities: Floats) -> Ints:
        below = np.cumsum(probabilities, axis=1) >= 1 / 2
        # Rounding may leave the sum of all chances just below 1, and never below a half.
        return np.asarray(below.argmax(axis=1), dtype=np.int64)
