import pytest

from ml_backend.learning.loop.deadline import Deadline, Schedule


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_what_is_left_shrinks_to_nothing_and_no_further(clock: Seconds) -> None:
    deadline = Deadline.after(10, clock)

    left = []
    for _ in range(3):
        left.append(deadline.left_s)
        clock.now += 6

    assert left == [10, 4, 0]


def test_a_part_is_of_what_is_left(clock: Seconds) -> None:
    deadline = Deadline.after(10, clock)
    clock.now += 2

    assert deadline.part(0.25).left_s == 2
    assert deadline.earlier(3).left_s == 5


def test_without_a_deadline_a_course_stands_where_its_steps_are(clock: Seconds) -> None:
    course = Schedule(4)
    clock.now += 1e9

    assert [course.position(made) for made in range(5)] == [0, 1, 2, 3, 4]
    assert [course.is_over(made) for made in range(5)] == [False, False, False, False, True]


def test_a_slow_training_stands_where_its_time_is_and_is_over_with_it(clock: Seconds) -> None:
    course = Schedule(100, deadline=Deadline.after(10, clock))

    positions = []
    for made in range(5):
        positions.append(course.position(made))
        clock.now += 2.5

    assert positions == [0, 25, 50, 75, 100]
    assert course.is_over(5)


def test_a_fast_training_is_not_held_up_by_its_time(clock: Seconds) -> None:
    course = Schedule(100, deadline=Deadline.after(10, clock))
    clock.now += 1

    assert course.position(60) == 60
    assert not course.is_over(99)
    assert course.is_over(100)


def test_what_an_earlier_attempt_made_is_not_counted_against_the_time(clock: Seconds) -> None:
    course = Schedule(100, 60, Deadline.after(10, clock))
    clock.now += 5

    assert course.position(61) == 80


def test_with_no_time_left_one_step_is_the_last(clock: Seconds) -> None:
    assert Schedule(100, deadline=Deadline.after(0, clock)).is_over(1)
