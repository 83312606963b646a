"""Regression on texts of many pieces, one of which may tell the answer, nobody knows which."""

from collections.abc import Callable

import numpy as np

from ...arrays import Floats, Floats2d
from ...models.bundle.head import Head
from ...models.text.pooling import log_mean_exp, piece_logits
from ...models.text.tokenised import TokenisedTexts

__all__ = ["Loss", "fit_pooled_regression"]

Loss = Callable[[Floats], tuple[Floats, Floats]]
"""A function of texts' logits, shape (N, K), that returns the loss per text, shape (N,), and its gradient."""

SOFT_START, SOFT_ITERATIONS = 0.3, 50
"""The search begins with a smoother maximum, under which many pieces have a say: from scratch the sharp one often holds
on to pieces that tell the train rows apart by chance."""
MOST_ITERATIONS = 200
LARGE = 20_000
"""Pieces from which a second thread saves time."""


def fit_pooled_regression(
    features: Floats2d,
    tokenised: TokenisedTexts,
    loss: Loss,
    weights: Floats,
    *,
    first_bias: Floats,
    c: float,
    max_iterations: int,
) -> Head:
    """The head whose pooled logits, see `Pooling.STRONGEST`, have the least loss with an L2 penalty, by L-BFGS.

    Args:
        features: of the pieces, shape (P, D).
        weights: factor on the loss per text, shape (N,); their mean does not matter, it is scaled to 1.
        first_bias: where the search for the bias begins, shape (K,); elsewhere it begins at 0.
        c: inverse strength of the penalty, against the summed loss.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    columns, width = len(first_bias), features.shape[1] * tokenised.field_count
    scaled = weights / weights.mean()
    _, texts, fields = tokenised.groups
    sizes = np.diff(np.append(tokenised.groups[0], len(features)))

    def penalised(parameters: Floats, sharpness: float) -> tuple[float, Floats]:
        weight = parameters[: columns * width].reshape(columns, width).astype(np.float32)
        pooled, shares = log_mean_exp(sharpness * piece_logits(weight, features, tokenised), tokenised)
        logits = np.tile(parameters[columns * width :], (tokenised.texts, 1))
        np.add.at(logits, texts, pooled / sharpness)
        losses, gradients = loss(logits)
        gradients = gradients * scaled[:, None]
        of_pieces = (shares * np.repeat(gradients[texts], sizes, axis=0)).astype(np.float32)
        slope = np.concatenate(
            [
                of_pieces[own].T @ features[own]
                for own in (np.repeat(fields, sizes) == field for field in range(tokenised.field_count))
            ],
            axis=1,
        )
        total = float((losses * scaled).sum() + (weight.astype(np.float64) ** 2).sum() / (2 * c))
        return total, np.concatenate([(slope + weight / c).ravel().astype(np.float64), gradients.sum(axis=0)])

    found: Floats = np.concatenate([np.zeros(columns * width), first_bias])
    with threadpool_limits(1 if len(features) < LARGE else None):
        for sharpness, iterations in ((SOFT_START, SOFT_ITERATIONS), (1.0, MOST_ITERATIONS)):
            result = minimize(
                penalised,
                found,
                (sharpness,),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": min(iterations, max_iterations)},
            )
            found = result.x
    weight, bias = found[: columns * width].reshape(columns, width), found[columns * width :]
    return Head(weight.astype(np.float32), bias.astype(np.float32))
