"""From the pieces of a text to the answer to all of it."""

from enum import StrEnum

import numpy as np

from ...arrays import Floats2d
from ..bundle.head import Head
from .tokenised import TokenisedTexts

__all__ = ["Pooling", "piece_logits", "pooled_features", "pooled_logits"]


class Pooling(StrEnum):
    """How the pieces of a long text decide together; those of a field do so first, and the fields' logits are added.

    Attributes:
        MEAN: the logits of a class are the mean of its logits in all pieces: what a text says all over decides.
        STRONGEST: they are the logarithm of the sum of their exponentials, which is near the largest: one piece may
            decide. Source: multiple-instance learning (Ray and Craven 2005, "Supervised versus multiple instance
            learning").
    """

    MEAN = "mean"
    STRONGEST = "strongest"


def pooled_logits(head: Head, features: Floats2d, tokenised: TokenisedTexts, pooling: Pooling) -> Floats2d:
    """Logits per text, shape (N, K).

    Args:
        head: its weight is (K, fields * D).
        features: of the pieces, shape (P, D).
    """
    if pooling is Pooling.MEAN or not tokenised.has_windows:
        return head.logits(pooled_features(features, tokenised))
    firsts, texts, _ = tokenised.groups
    logits = piece_logits(head.weight, features, tokenised)
    largest = np.maximum.reduceat(logits, firsts)
    counts = np.diff(np.append(firsts, len(logits)))
    sums = np.add.reduceat(np.exp(logits - np.repeat(largest, counts, axis=0)), firsts)
    pooled = np.tile(head.bias, (tokenised.texts, 1))
    np.add.at(pooled, texts, largest + np.log(sums))
    return pooled


def pooled_features(features: Floats2d, tokenised: TokenisedTexts) -> Floats2d:
    """The mean of the pieces of every field of a text, fields side by side, shape (N, fields * D); 0 for absent ones.

    Since a head is linear, its logits of these are the means of its logits of the pieces.
    """
    if tokenised.is_plain:
        return features
    firsts, texts, fields = tokenised.groups
    counts = np.diff(np.append(firsts, len(features)))
    pooled = np.zeros((tokenised.texts, tokenised.field_count, features.shape[1]), dtype=np.float32)
    pooled[texts, fields] = np.add.reduceat(features, firsts) / counts[:, None] if len(firsts) else 0.0
    return pooled.reshape(tokenised.texts, -1)


def piece_logits(weight: Floats2d, features: Floats2d, tokenised: TokenisedTexts) -> Floats2d:
    """Logits per piece by the part of the weight for its field, without the bias, shape (P, K)."""
    width = features.shape[1]
    if tokenised.field_count == 1 or tokenised.fields is None:
        return features @ weight.T
    logits = np.zeros((len(features), len(weight)), dtype=np.float32)
    for field in range(tokenised.field_count):
        own = tokenised.fields == field
        logits[own] = features[own] @ weight[:, field * width : (field + 1) * width].T
    return logits
