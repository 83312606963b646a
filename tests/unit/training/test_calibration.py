import numpy as np
import pytest

from ml_backend.training.calibration import calibrated, expected_calibration_error, fit_temperature

RNG = np.random.default_rng(0)


def draw(temperature: float, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too sure by a factor, with classes drawn from what they should say."""
    honest = RNG.normal(scale=2.0, size=(rows, 4))
    indices = (honest + RNG.gumbel(size=honest.shape)).argmax(axis=1)
    return (honest * temperature).astype(np.float32), indices


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, indices = draw(temperature)

    assert fit_temperature(logits, indices) == pytest.approx(temperature, rel=0.1)


def test_the_calibrated_confidence_is_the_accuracy() -> None:
    logits, indices = draw(4.0)

    calibration = calibrated(logits, indices)

    assert expected_calibration_error(logits, indices, 1.0) > 0.1
    assert calibration.expected_error() < 0.03
    assert calibration.warnings() == []


def test_the_error_of_a_known_case() -> None:
    logits = np.log(np.array([[0.9, 0.1]] * 10 + [[0.7, 0.3]] * 10, dtype=np.float32))
    indices = np.array([0] * 8 + [1] * 2 + [0] * 7 + [1] * 3)

    assert expected_calibration_error(logits, indices, 1.0) == pytest.approx(0.05, abs=1e-6)


def test_a_model_that_is_always_right_gets_a_bounded_temperature() -> None:
    indices = np.arange(40) % 4

    assert fit_temperature(np.eye(4, dtype=np.float32)[indices], indices) == pytest.approx(0.05, rel=0.01)


def test_few_rows_leave_the_scores_as_they_are_and_say_so() -> None:
    logits, indices = draw(4.0, rows=29)

    calibration = calibrated(logits, indices)

    assert calibration.temperature == 1.0
    (warning,) = calibration.warnings()
    assert warning.startswith("29 held-out rows calibrate the confidence scores, 30 are wanted")


def test_quantiles_are_those_of_the_calibrated_confidence() -> None:
    logits, indices = draw(2.0)
    calibration = calibrated(logits, indices)

    quantiles = calibration.score_quantiles()

    scaled = np.exp(logits / calibration.temperature)
    scores = (scaled / scaled.sum(axis=1, keepdims=True)).max(axis=1)
    assert len(quantiles) == 101
    assert quantiles[50] == pytest.approx(np.median(scores), abs=1e-5)
    assert (quantiles[0], quantiles[100]) == pytest.approx((scores.min(), scores.max()), abs=1e-5)


def test_without_rows_the_scores_are_spread_evenly() -> None:
    calibration = calibrated(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64))

    assert calibration.score_quantiles() == pytest.approx([i / 100 for i in range(101)])
    assert calibration.expected_error() == 0.0
