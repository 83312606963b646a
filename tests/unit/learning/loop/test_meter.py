import pytest

from ml_backend.domain.progress import Progress
from ml_backend.errors import JobCancelled
from ml_backend.learning.loop.meter import ProgressMeter


def test_work_moves_the_fraction_from_start_to_end_and_never_beyond() -> None:
    seen: list[Progress] = []
    meter = ProgressMeter(seen.append, 100, start=0.2, end=0.7)

    for rows in (10, 40, 50, 30):
        meter.advance(rows, "training", "step", {"loss": 0.5})

    assert [progress.fraction for progress in seen] == pytest.approx([0.25, 0.45, 0.7, 0.7])
    assert seen[0].metrics == {"loss": 0.5}
    assert seen[0].message == "step"


@pytest.mark.parametrize(("began_ago_s", "left"), [(30.0, "about 90 s left"), (300.0, "about 15 min left")])
def test_the_time_left_follows_the_pace_so_far(began_ago_s: float, left: str) -> None:
    seen: list[Progress] = []
    now_s = 1000.0
    times = iter([now_s, now_s + began_ago_s])
    meter = ProgressMeter(seen.append, 100, start=0, end=1, clock=lambda: next(times))

    meter.advance(25, "training", "step 1 of 4")

    assert seen[0].message == f"step 1 of 4, {left}"


def test_a_cancelled_job_stops_the_work() -> None:
    def cancelled(_: Progress) -> None:
        raise JobCancelled("job 1 was cancelled")

    with pytest.raises(JobCancelled):
        ProgressMeter(cancelled, 10, start=0, end=1).advance(1, "training", "")


def test_work_of_an_earlier_attempt_counts_as_done_and_not_as_speed() -> None:
    seen: list[Progress] = []
    times = iter([1000.0, 1030.0])
    meter = ProgressMeter(seen.append, 100, start=0, end=1, clock=lambda: next(times))

    meter.skip(50)
    meter.advance(25, "training", "step 3 of 4")

    assert seen[0].fraction == 0.75
    assert seen[0].message == "step 3 of 4, about 30 s left"
