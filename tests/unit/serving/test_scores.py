from hypothesis import given
from hypothesis import strategies as st

from ml_backend.serving.scores import draw_from_quantiles


@given(st.lists(st.floats(0, 1), min_size=2, max_size=101).map(sorted), st.text(), st.integers(0, 2**63))
def test_a_draw_repeats_and_stays_within_the_quantiles(quantiles: list[float], version: str, key: int) -> None:
    draw = draw_from_quantiles(quantiles, version, key)

    assert draw == draw_from_quantiles(quantiles, version, key)
    assert quantiles[0] <= draw <= quantiles[-1]
