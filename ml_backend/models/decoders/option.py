"""One of the options that a text offers."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from ...arrays import Floats2d
from ...domain.model import ScoredTarget
from ..bundle.head import Head
from ..text.confidence import confidences
from ..text.encoder import Encoder
from ..text.offered import SUITING_FEATURE, option_features, options_by_text, read_options
from ..text.tokenised import TokenisedTexts
from .base import LARGEST, Decoder, Labels

__all__ = ["OptionDecoder"]

ALIKE = 6.0
"""What the likeness of an option to the texts around it weighs before anything is learned: a cosine times 18."""


class OptionDecoder(Decoder):
    """The option that scores highest. The score is linear in what tells options apart, see `option_features`.

    Confidences are the softmax over the options of a text. A unit is an option.

    Attributes:
        labels: none, since texts bring their options.
        temperature: the scores are divided by it before the softmax.
        task_slope: with `task_offset` the map from the chance of the whole answer to the confidence in it, where it is
            made of several decisions, see `Logistic`.
    """

    suits_untrained: ClassVar[bool] = True
    """Whether how like the texts around an option is tells something before anything is trained."""

    head = "option"
    labels: Labels = ()
    temperature: float = 1.0
    task_slope: float = 1.0
    task_offset: float = 0.0

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        numbers = self.numbers
        is_fit = all(np.isfinite(value) and abs(value) <= LARGEST for value in numbers.values())
        if self.labels or not is_fit or self.temperature < 1 / LARGEST:
            raise ValueError(f"{len(self.labels)} labels and {numbers} found; wanted none, and finite numbers")
        return self

    @property
    def columns(self) -> int:
        return 1

    def features(self, width: int) -> int:
        return 2 * width + 1

    def tokenise(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        return read_options(encoder, texts)

    def logits(self, head: Head, features: Floats2d, tokenised: TokenisedTexts, /) -> Floats2d:
        return head.logits(option_features(features, tokenised))

    @staticmethod
    def untrained(width: int) -> Head:
        """Return the head that takes the option which is the most like the texts around it."""
        weight = np.zeros((1, 2 * width + 1), dtype=np.float32)
        weight[0, SUITING_FEATURE] = ALIKE
        return Head(weight, np.zeros(1, dtype=np.float32))

    def answers(self, logits: Floats2d, tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        return [self.answer(names, own) for names, own in options_by_text(tokenised, logits)]

    def answer(self, names: Sequence[str], logits: Floats2d) -> ScoredTarget:
        """Return the answer to a text; of one that offers nothing, an answer that is none.

        Args:
            logits: of its options, shape (K, columns).
        """
        if not names:
            return ScoredTarget("", 0.0, {})
        chances = confidences(logits.T, self.temperature)[0]
        best = int(chances.argmax())
        return ScoredTarget(names[best], float(chances[best]), dict(zip(names, map(float, chances), strict=True)))
