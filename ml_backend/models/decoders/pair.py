"""Which of two texts is better, for the texts around them."""

import numpy as np

from ...arrays import Floats2d
from ..bundle.head import Head
from ..text.pooling import pooled_features
from ..text.tokenised import TokenisedTexts
from .softmax import SoftmaxDecoder

__all__ = ["PairDecoder"]

SIDES = 2
SUITING, LIKENESS = 0.3, 3.0
"""Factors on the products' entries, once they are as large as a vector's, and on their sum: see `benchmarks.pairs`."""


class PairDecoder(SoftmaxDecoder):
    """The side whose text scores higher. The score is linear, so a head reads the difference of both sides' features.

    These are a text's vector, and how it suits the texts around the pair: its product with their mean vector, entry by
    entry and as a sum, which is the cosine. Swapped sides give the opposite answer with the same confidence.

    Attributes:
        fields: the left and the right text come last.
    """

    head = "pair"
    is_named = False

    def features(self, width: int) -> int:
        return 2 * width + 1

    def logits(self, head: Head, features: Floats2d, tokenised: TokenisedTexts, /) -> Floats2d:
        return head.logits(PairDecoder.differences(features, tokenised))

    @staticmethod
    def differences(features: Floats2d, tokenised: TokenisedTexts) -> Floats2d:
        """Return the right text's features minus the left one's, shape (N, 2 D + 1).

        Args:
            features: of the tokenised texts' pieces, shape (P, D).
        """
        width = features.shape[1]
        by_field = pooled_features(features, tokenised).reshape(tokenised.texts, tokenised.field_count, width)
        difference = by_field[:, -1] - by_field[:, -SIDES]
        around = by_field[:, :-SIDES].sum(axis=1)
        lengths = np.linalg.norm(around, axis=1, keepdims=True)
        products = difference * around / np.maximum(lengths, 1e-12)
        # Each entry of a vector of length 1 is about 1 / sqrt(D), which the root makes up for.
        suiting = [SUITING * np.sqrt(width) * products, LIKENESS * products.sum(axis=1, keepdims=True)]
        return np.asarray(np.concatenate([difference, *suiting], axis=1), dtype=np.float32)
