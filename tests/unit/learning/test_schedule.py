import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.learning.loop.schedule import batches_of_like_length, learning_rate_factor


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 40), st.integers(1, 100))
def test_every_row_is_in_one_batch_and_only_one_batch_is_small(
    lengths: list[int], batch_size: int, chunk_rows: int
) -> None:
    batches = batches_of_like_length(lengths, batch_size, chunk_rows, np.random.default_rng(0))

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert sum(len(batch) < batch_size for batch in batches) <= 1


def test_a_batch_holds_rows_of_like_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 100, size=512).tolist()

    batches = batches_of_like_length(lengths, 32, 512, np.random.default_rng(0))

    padding = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches) - sum(lengths)
    assert padding < 0.1 * sum(lengths)


def test_batches_follow_the_generator() -> None:
    lengths = [5] * 100

    first, again = (batches_of_like_length(lengths, 8, 64, np.random.default_rng(3)) for _ in range(2))

    assert first == again
    assert first != batches_of_like_length(lengths, 8, 64, np.random.default_rng(4))


def test_the_rate_rises_over_the_warm_up_and_falls_to_nearly_0() -> None:
    factors = [learning_rate_factor(step, 20, 0.1) for step in range(20)]

    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors[-1] == 1 / 18
    assert factors[2:] == sorted(factors[2:], reverse=True)


def test_a_single_step_is_taken_at_the_full_rate() -> None:
    assert learning_rate_factor(0, 1, 0.1) == 1.0
    assert learning_rate_factor(0, 1, 0.0) == 1.0
