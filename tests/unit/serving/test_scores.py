import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.serving.scores import draw_from_quantiles, scored_targets


@given(st.lists(st.floats(0, 1), min_size=2, max_size=101).map(sorted), st.text(), st.integers(0, 2**63))
def test_a_draw_repeats_and_stays_within_the_quantiles(quantiles: list[float], version: str, key: int) -> None:
    draw = draw_from_quantiles(quantiles, version, key)

    assert draw == draw_from_quantiles(quantiles, version, key)
    assert quantiles[0] <= draw <= quantiles[-1]


def test_only_texts_with_content_are_asked_about() -> None:
    asked: list[list[str]] = []

    def confidences(texts: list[str]) -> np.ndarray:
        asked.append(list(texts))
        return np.array([[0.25, 0.75]] * len(texts))

    answers = scored_targets(["", "a", " ", "b"], ["x", "y"], confidences)

    assert asked == [["a", "b"]]
    assert [answer and answer.target for answer in answers] == [None, "y", None, "y"]
    assert answers[1] is not None
    assert answers[1].scores == {"x": 0.25, "y": 0.75}
    assert scored_targets([" "], ["x", "y"], confidences) == [None]
    assert len(asked) == 1
