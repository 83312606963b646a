"""One of the labels per text."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ...arrays import Floats, Floats2d, Ints
from ...domain.example import Part
from ...domain.model import ScoredTarget
from ..text.confidence import confidences
from ..text.pooling import text_vectors
from ..text.tokenised import TokenisedTexts
from .base import WholeTextDecoder

__all__ = ["SoftmaxDecoder"]


class SoftmaxDecoder(WholeTextDecoder):
    """The likeliest label, rare labels being favoured where offsets say so.

    Confidences are probabilities all the same: the answer's may be lower than another label's.

    Attributes:
        temperature: the logits are divided by it before the softmax.
        offsets: per label, added to the logarithm of its confidence when the answer is picked; empty: none.
    """

    head = "softmax"
    is_one_label = True
    is_named = True
    temperature: float = 1.0
    offsets: Annotated[tuple[float, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _check_offsets(self) -> Self:
        if len(self.offsets) not in (0, len(self.labels)) or not np.isfinite(self.offsets).all():
            raise ValueError(f"{len(self.offsets)} offsets found; wanted {len(self.labels)} finite numbers")
        return self

    @property
    def columns(self) -> int:
        return len(self.labels)

    def answers(self, logits: Floats2d, _tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        probabilities = confidences(logits, self.temperature)
        answers = []
        for row, best in zip(probabilities, self.chosen(probabilities).tolist(), strict=True):
            scores: dict[Part, float] = dict(zip(self.labels, map(float, row), strict=True))
            answers.append(ScoredTarget(self.labels[best], float(row[best]), scores))
        return answers

    def likeness(self, features: Floats2d, logits: Floats2d, tokenised: TokenisedTexts, /) -> Floats2d:
        return np.concatenate([text_vectors(features, tokenised), logits.max(axis=1, keepdims=True)], axis=1)

    def chosen(self, probabilities: Floats) -> Ints:
        """The position of the label that is answered, per text, shape (N,).

        Args:
            probabilities: confidence per text and label, shape (N, K).
        """
        if not self.offsets:
            return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(probabilities) + np.array(self.offsets)).argmax(axis=1), dtype=np.int64)
