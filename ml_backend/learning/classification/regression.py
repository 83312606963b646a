"""Logistic regression on frozen features: the baseline, and where the head of LoRA starts."""

import numpy as np

from ...arrays import Bools, Floats, Floats2d, Ints
from ...models.bundle.head import Head

__all__ = ["NEVER", "class_mean_head", "fit_label_regressions", "fit_regression"]

NEVER = -1e4
"""Bias of a class that must not be answered: its softmax is 0, and it stays finite."""


def fit_regression(
    features: Floats2d, indices: Ints, weights: Floats, *, classes: int, c: float, max_iterations: int
) -> Head:
    """The head of a multinomial logistic regression with L2 penalty (scikit-learn's `LogisticRegression`, lbfgs).

    Classes without a row get a head row that never wins. The solver computes in the features' precision: single
    takes two thirds of the time that double does on thousands of rows, and leads to the same answers.

    Args:
        features: shape (N, D).
        indices: class per row, shape (N,), at least two different ones.
        weights: factor on the loss per row, shape (N,); their mean does not matter, it is scaled to 1.
        c: inverse strength of the penalty, against the summed loss.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=c, max_iter=max_iterations)
    # Its matrices are small: on two cores a second thread makes it take twice as long.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A solver that stops early is still a usable head, and held-out rows judge it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The first labels of many classes are few per class.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        model.fit(features, indices, sample_weight=weights / weights.mean())
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # scikit-learn gives two classes one row of logits z; the softmax over (-z/2, z/2) is the same.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    full = Head(np.zeros((classes, features.shape[1]), dtype=np.float32), np.full(classes, NEVER, dtype=np.float32))
    full.weight[model.classes_] = weight
    full.bias[model.classes_] = bias
    return full


def class_mean_head(features: Floats2d, indices: Ints, weights: Floats, *, classes: int, scale: float) -> Head:
    """A head whose rows are the classes' mean features, scaled to length `scale`; classes without a row never win."""
    one_hot = np.zeros((len(indices), classes))
    one_hot[np.arange(len(indices)), indices] = weights
    means = one_hot.T @ features
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    is_present = one_hot.sum(axis=0) > 0
    return Head(
        np.asarray(scale * means / np.maximum(lengths, 1e-12), dtype=np.float32),
        np.where(is_present, 0.0, NEVER).astype(np.float32),
    )


def fit_label_regressions(features: Floats2d, chosen: Bools, weights: Floats, *, c: float, max_iterations: int) -> Head:
    """A head of one logistic regression with L2 penalty per label (scikit-learn's `LogisticRegression`, lbfgs).

    A label that no row or every row carries gets the same logit for all texts, by Laplace's rule of succession.

    Args:
        features: shape (N, D).
        chosen: which labels a row carries, shape (N, K).
        weights, c: as in `fit_regression`.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows, labels = chosen.shape
    head = Head(np.zeros((labels, features.shape[1]), dtype=np.float32), np.zeros(labels, dtype=np.float32))
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for k in range(labels):
            carrying = int(chosen[:, k].sum())
            if carrying in (0, rows):
                head.bias[k] = np.log((carrying + 1) / (rows - carrying + 1))
                continue
            model = LogisticRegression(C=c, max_iter=max_iterations)
            model.fit(features, chosen[:, k], sample_weight=weights / weights.mean())
            head.weight[k], head.bias[k] = model.coef_[0], model.intercept_[0]
    return head
