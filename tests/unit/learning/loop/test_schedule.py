import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.learning.loop.schedule import Deadline, Schedule, batches_of_like_length


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_what_is_left_shrinks_to_nothing_and_a_part_is_of_what_is_left(clock: Seconds) -> None:
    deadline = Deadline.after(10, clock)
    clock.now += 2

    assert (deadline.left_s, deadline.part(0.25).left_s, deadline.earlier(3).left_s) == (8, 2, 5)
    clock.now += 9
    assert deadline.left_s == 0


def test_without_a_deadline_a_training_stands_where_its_steps_are(clock: Seconds) -> None:
    schedule = Schedule(4)
    clock.now += 1e9

    assert [schedule.position(made) for made in range(5)] == [0, 1, 2, 3, 4]
    assert [schedule.is_over(made) for made in range(5)] == [False, False, False, False, True]


def test_a_slow_training_stands_where_its_time_is_and_is_over_with_it(clock: Seconds) -> None:
    schedule = Schedule(100, deadline=Deadline.after(10, clock))

    positions = []
    for made in range(5):
        positions.append(schedule.position(made))
        clock.now += 2.5

    assert positions == [0, 25, 50, 75, 100]
    assert schedule.is_over(5)
    assert Schedule(100, deadline=Deadline.after(0, clock)).is_over(1)


def test_a_fast_training_is_not_held_up_by_its_time(clock: Seconds) -> None:
    schedule = Schedule(100, deadline=Deadline.after(10, clock))
    clock.now += 1

    assert schedule.position(60) == 60
    assert (schedule.is_over(99), schedule.is_over(100)) == (False, True)


def test_what_an_earlier_attempt_made_is_not_counted_against_the_time(clock: Seconds) -> None:
    schedule = Schedule(100, made=60, deadline=Deadline.after(10, clock))
    clock.now += 5

    assert schedule.position(61) == 80


def test_the_rate_rises_over_the_warm_up_and_falls_to_nearly_0() -> None:
    factors = [Schedule(20, warmup_fraction=0.1).rate_factor(made) for made in range(20)]

    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors[-1] == 1 / 18
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert [Schedule(1, warmup_fraction=share).rate_factor(0) for share in (0.1, 0.0)] == [1.0, 1.0]


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
    first, again, other = (batches_of_like_length([5] * 100, 8, 64, np.random.default_rng(seed)) for seed in (3, 3, 4))

    assert first == again
    assert first != other
