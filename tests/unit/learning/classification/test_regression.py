import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml_backend.learning.classification.regression import class_mean_head, fit_label_regressions, fit_regression
from ml_backend.models.text.confidence import confidences

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 6)).astype(np.float32)
SCORES = FEATURES @ RNG.normal(size=(6, 3))


def fit(indices: np.ndarray, weights: np.ndarray | None = None, classes: int = 3):
    weights = np.ones(len(indices)) if weights is None else weights
    return fit_regression(FEATURES[: len(indices)], indices, weights, classes=classes, c=3.0, max_iterations=2000)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_answers_with_the_probabilities_of_scikit_learn(classes: int) -> None:
    indices = SCORES[:, :classes].argmax(axis=1)
    reference = LogisticRegression(C=3.0, max_iter=2000).fit(FEATURES.astype(float), indices)

    found = confidences(fit(indices, classes=classes).logits(FEATURES), 1.0)

    np.testing.assert_allclose(found, reference.predict_proba(FEATURES), atol=1e-4)


def test_a_class_without_a_row_is_never_answered() -> None:
    indices = np.where(SCORES.argmax(axis=1) == 0, 0, 2)

    found = confidences(fit(indices).logits(FEATURES), 1.0)

    assert found[:, 1].max() == 0
    assert np.isfinite(fit(indices).logits(FEATURES)).all()


def test_a_row_of_double_weight_counts_as_two() -> None:
    indices = SCORES.argmax(axis=1)
    doubled = np.concatenate([indices[:50], indices[:10]])
    features = np.concatenate([FEATURES[:50], FEATURES[:10]])
    # The mean weight is scaled to 1, so the penalty is made the same against the summed loss.
    two = fit_regression(features, doubled, np.ones(60), classes=3, c=3.0, max_iterations=5000)
    one = fit_regression(
        FEATURES[:50],
        indices[:50],
        np.where(np.arange(50) < 10, 2.0, 1.0),
        classes=3,
        c=3.0 * 60 / 50,
        max_iterations=5000,
    )

    np.testing.assert_allclose(one.weight, two.weight, atol=2e-3)


def test_class_means_are_weighted_and_scaled() -> None:
    features = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], dtype=np.float32)

    head = class_mean_head(features, np.array([0, 0, 2, 2]), np.array([3.0, 4.0, 1.0, 1.0]), classes=4, scale=10.0)

    np.testing.assert_allclose(head.weight[0], [6, 8], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(head.weight, axis=1), [10, 0, 10, 0], rtol=1e-6)
    assert head.logits(features).argmax(axis=1).tolist() == [2, 0, 0, 2]
    assert (head.logits(features)[:, [1, 3]] < -1000).all()


def labels_of(scores: np.ndarray) -> np.ndarray:
    """Which of three labels a row carries: none, one or several."""
    return scores > np.array([0.0, 1.0, -1.0])


def test_every_label_is_answered_with_the_probabilities_of_scikit_learn() -> None:
    chosen, weights = labels_of(SCORES), RNG.uniform(0.5, 2.0, size=60)

    head = fit_label_regressions(FEATURES, chosen, weights, c=3.0, max_iterations=2000)

    found = 1 / (1 + np.exp(-head.logits(FEATURES)))
    for k in range(3):
        reference = LogisticRegression(C=3.0, max_iter=2000)
        reference.fit(FEATURES.astype(float), chosen[:, k], sample_weight=weights / weights.mean())
        np.testing.assert_allclose(found[:, k], reference.predict_proba(FEATURES)[:, 1], atol=1e-3)


def test_a_label_that_no_row_or_every_row_carries_is_as_likely_everywhere() -> None:
    chosen = np.stack([np.zeros(60), SCORES[:, 0] > 0, np.ones(60)], axis=1).astype(bool)

    head = fit_label_regressions(FEATURES, chosen, np.ones(60), c=3.0, max_iterations=2000)

    found = 1 / (1 + np.exp(-head.logits(FEATURES)))
    np.testing.assert_allclose(found[:, 0], 1 / 62, rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], 61 / 62, rtol=1e-5)
