import pytest

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
    assert MEASURE.compare([], [], []).scores == (0.0, 0.0)
