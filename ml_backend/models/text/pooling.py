"""From the pieces of a text to the answer to all of it."""

from enum import StrEnum

import numpy as np

from ...arrays import Floats2d
from ..bundle.head import Head
from .tokenised import TokenisedTexts

__all__ = ["Pooling", "log_mean_exp", "piece_logits", "pooled_features", "pooled_logits", "text_vectors"]


class Pooling(StrEnum):
    """How the pieces of a long text decide together; those of a field do so first, and the fields' logits are added.

    Attributes:
        MEAN: the logits of a class are the mean of its logits in all pieces: what a text says all over decides.
        STRONGEST: they are the logarithm of the mean of the exponentials of these, which follows the largest: one piece
            may decide. Source: multiple-instance logistic regression (Ray and Craven 2005, "Supervised versus multiple
            instance learning"), with this smooth maximum.
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
    _, texts, _ = tokenised.groups
    pooled = np.tile(head.bias, (tokenised.texts, 1))
    np.add.at(pooled, texts, log_mean_exp(piece_logits(head.weight, features, tokenised), tokenised)[0])
    return pooled


def log_mean_exp(logits: Floats2d, tokenised: TokenisedTexts) -> tuple[Floats2d, Floats2d]:
    """Per field of a text and class the smooth maximum of its pieces' logits, and per piece its gradient.

    Args:
        logits: of the pieces, shape (P, K), as is the gradient.
    """
    firsts, _, _ = tokenised.groups
    counts = np.diff(np.append(firsts, len(logits)))
    largest = np.maximum.reduceat(logits, firsts)
    powers = np.exp(logits - np.repeat(largest, counts, axis=0))
    sums = np.add.reduceat(powers, firsts)
    return largest + np.log(sums / counts[:, None]), powers / np.repeat(sums, counts, axis=0)


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
    return pooled.reshape(tokenised.texts, tokenised.field_count * features.shape[1])


def text_vectors(features: Floats2d, tokenised: TokenisedTexts) -> Floats2d:
    """One vector of length 1 per text, shape (N, fields * D), from those of its pieces."""
    if tokenised.is_plain:
        return features
    means = pooled_features(features, tokenised)
    scaled: Floats2d = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return scaled


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
