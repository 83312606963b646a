import math

import numpy as np
import pytest

from ml_backend.arrays import Floats
from ml_backend.measuring.label_times import mean_interval, work_seconds


def _times(count: int, median_s: float, seed: int) -> Floats:
    return np.random.default_rng(seed).lognormal(math.log(median_s), 0.5, count)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.15])
def test_breaks_do_not_make_labels_dearer(share: float) -> None:
    fast, slow = _times(600, 5.0, 1), _times(600, 40.0, 2)
    working = np.concatenate([fast, slow])
    annotators = np.repeat([0, 1], 600)
    rng = np.random.default_rng(3)
    seconds = np.where(rng.random(1200) < share, working + rng.uniform(300, 3600, 1200), working)

    estimated, is_measured = work_seconds(seconds, annotators)

    for annotator in (0, 1):
        own = annotators == annotator
        assert estimated[own].mean() == pytest.approx(working[own].mean(), rel=0.04)
    # A break of ten minutes is one for somebody who needs five seconds, and for one who needs forty.
    assert not is_measured[seconds > 600].any()
    assert is_measured[seconds == working].mean() > 0.99


def test_times_that_nobody_measured_count_as_the_annotators_mean() -> None:
    seconds = np.array([4.0, 6.0, np.nan, 0.0, np.nan])

    estimated, is_measured = work_seconds(seconds, np.array([1, 1, 1, 1, 2]))

    assert estimated[:4].tolist() == [4.0, 6.0, 5.0, 5.0]
    assert np.isnan(estimated[4])
    assert is_measured.tolist() == [True, True, False, False, False]


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    truth = 5.0 * math.exp(0.5**2 / 2)
    holds = [low <= truth <= high for low, _, high in (mean_interval(_times(150, 5.0, seed)) for seed in range(300))]

    assert np.mean(holds) == pytest.approx(0.95, abs=0.03)
    assert np.isnan(mean_interval(np.zeros(0))).all()
