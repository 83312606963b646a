import numpy as np
import pytest

from ml_backend.arrays import Floats
from ml_backend.measuring.learning_curve import LearningCurve, resampled_scores
from ml_backend.measuring.measures.base import Measure

SIZES = [100, 150, 220, 330, 500, 750, 1100, 1600]


def _true(rows: float | Floats) -> Floats:
    return np.asarray(0.95 - 2.5 * np.asarray(rows, dtype=np.float64) ** -0.5)


def _fitted(seed: int, noise: float = 0.006) -> LearningCurve:
    rng = np.random.default_rng(seed)
    common, own = rng.normal(0, noise), rng.normal(0, noise / 2, len(SIZES))
    resampled = rng.normal(0, noise, (500, 1)) + rng.normal(0, noise / 2, (500, len(SIZES)))
    scores = _true(np.array(SIZES)) + common + own
    return LearningCurve.fit(SIZES, scores, scores + resampled, seed=seed)


def _quantiles(rows: Floats) -> list[float]:
    # Infinity cannot be interpolated.
    return list(np.quantile(rows, [0.05, 0.5, 0.95], method="inverted_cdf"))


def test_the_interval_holds_how_many_rows_a_target_takes() -> None:
    wanted = 4000.0
    target = float(_true(wanted))
    intervals = [_quantiles(_fitted(seed).rows_to(target)) for seed in range(60)]

    assert np.mean([low <= wanted <= high for low, _, high in intervals]) >= 0.85
    assert np.median([abs(middle - wanted) / wanted for _, middle, _ in intervals]) < 0.3


def test_rows_to_a_score_and_the_score_at_these_rows_are_the_same_curve() -> None:
    curve = _fitted(1)
    rows = curve.rows_to(0.9)

    is_reached = np.isfinite(rows)
    falls = 1 / (1 + (rows[is_reached] / curve.scales[is_reached]) ** curve.shapes[is_reached])
    assert curve.ceilings[~is_reached].max(initial=0.0) <= 0.9
    assert curve.ceilings[is_reached] - curve.drops[is_reached] * falls == pytest.approx(0.9)
    assert np.isinf(curve.rows_to(1.0)).all()
    assert np.median(curve.at(1600)) == pytest.approx(float(_true(1600)), abs=0.01)


def test_more_of_what_is_measured_makes_a_forecast_surer() -> None:
    sure, unsure = (_quantiles(_fitted(2, noise).rows_to(0.88)) for noise in (0.002, 0.02))

    assert sure[2] - sure[0] < unsure[2] - unsure[0]


def test_scores_are_those_of_the_measure_and_resamples_scatter_around_them() -> None:
    rng = np.random.default_rng(3)
    true = rng.choice(["a", "b", "c"], 300).tolist()
    answers = [[t if rng.random() < share else "a" for t in true] for share in (0.5, 0.8)]
    measure = Measure.of("softmax")

    scores, resampled = resampled_scores([measure.compare(true, each, each) for each in answers], seed=1)

    assert scores == pytest.approx([measure.evaluate(true, each).macro_f1 for each in answers])  # type: ignore[union-attr]
    assert resampled.mean(axis=0) == pytest.approx(scores, abs=0.01)
    assert 0.01 < resampled.std(axis=0).max() < 0.05
