import numpy as np
import pytest

from ml_backend.measuring.gate import decide
from ml_backend.measuring.measures.base import Measure

MEASURE = Measure.of("text")


def test_versions_are_compared_by_the_mean_rouge_l_of_the_rows_that_are_answered() -> None:
    pair = MEASURE.compare(
        ["the cat sat", None, "a dog"], ["the cat", "never counted", None], ["the cat sat", None, "a cat"]
    )

    assert pair.metric == "ROUGE-L"
    assert pair.scores == pytest.approx((0.4, 0.75))
    assert pair.statistics.shape == (2, 3, 2)
    assert not pair.statistics[:, 1].any()


def test_no_rows_score_0() -> None:
    assert MEASURE.compare([], [], []).scores == (0.0, 0.0)


def test_many_rows_decide_by_the_interval_of_the_difference() -> None:
    rng = np.random.default_rng(0)
    true = [f"answer {number} is right" for number in range(150)]
    better = [text if rng.random() < 0.9 else "something else" for text in true]
    worse = [text if rng.random() < 0.5 else "something else" for text in true]

    def gate(first: list[str], second: list[str]) -> bool:
        pairs = {"reply": MEASURE.compare(true, first, second)}
        return decide(pairs, champion="a", challenger="b", resamples=500).promote

    assert gate(worse, better)
    assert not gate(better, worse)
    assert not gate(better, list(better))
