"""Which of two texts is better: a logistic regression on the difference of their features.

Source: Bradley and Terry 1952, "Rank Analysis of Incomplete Block Designs", with scores that are linear in features.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Target
from ...domain.field_texts import field_texts
from ...domain.label_config import LEFT, RIGHT
from ...domain.model import Method
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.pair import PairDecoder
from ...models.text.torch_encoder import TextEncoder
from ..classification.regression import fit_regression
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .softmax import SoftmaxObjective

__all__: list[str] = []


class PairObjective(SoftmaxObjective):
    """A code is the position of the side. The base model is not tuned for it, and rows of one side alone will do."""

    head = "pair"
    learns_descriptions = False
    is_tuned = False

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:  # noqa: ARG002 (the base's shape)
        names = dict.fromkeys(name for text in rows.texts for name in field_texts(text))
        self.fields = (*(name for name in names if name not in (LEFT, RIGHT, "")), LEFT, RIGHT)
        return self.plain_decoder()

    def plain_decoder(self) -> PairDecoder:
        return PairDecoder(labels=self.labels, pooling=self.pooling, fields=self.fields)

    def why_unusable(self, targets: Sequence[Target]) -> str | None:  # noqa: ARG002 (swapped, each tells as much)
        return None

    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:
        return replace(super().hyperparameters(method, rows), regression_c=0.3)

    def settle_pooling(self, features: Floats2d, encoded: EncodedRows, *, c: float, seed: int) -> None:  # noqa: ARG002
        """Leave long texts to the mean of their pieces."""
        self.decoder = self.plain_decoder()

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        """Return the head of a regression on all pairs, each also with its sides swapped: neither is favoured."""
        differences = PairDecoder.differences(features, encoded.tokenised)
        codes = np.asarray(encoded.codes, dtype=np.int64)
        head = fit_regression(
            np.concatenate([differences, -differences]),
            np.concatenate([codes, 1 - codes]),
            np.tile(encoded.unit_weights, 2),
            classes=len(self.labels),
            c=c,
            max_iterations=max_iterations,
        )
        return Head(head.weight, np.zeros_like(head.bias))
