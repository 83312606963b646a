import pytest

from ml_backend.domain.progress import Progress
from ml_backend.learning.loop.meter import ProgressMeter


def test_work_moves_the_fraction_from_start_to_end_and_never_beyond() -> None:
    seen: list[Progress] = []
    meter = ProgressMeter(seen.append, 100, start=0.2, end=0.7)

    for rows in (10, 40, 50, 30):
        meter.advance(rows, "training", "step", {"loss": 0.5})

    assert [progress.fraction for progress in seen] == pytest.approx([0.25, 0.45, 0.7, 0.7])
    assert seen[0].metrics == {"loss": 0.5}
    assert seen[0].message == "step"


@pytest.mark.parametrize(
    ("known", "began_ago_s", "left"),
    [(0, 30.0, "about 90 s left"), (0, 300.0, "about 15 min left"), (50, 30.0, "about 30 s left")],
    ids=["slow", "slower", "with work of an earlier attempt, which is done and says nothing of speed"],
)
def test_the_time_left_follows_the_pace_so_far(known: int, began_ago_s: float, left: str) -> None:
    seen: list[Progress] = []
    times = iter([1000.0, 1000.0 + began_ago_s])
    meter = ProgressMeter(seen.append, 100, start=0, end=1, clock=lambda: next(times))

    meter.skip(known)
    meter.advance(25, "training", "step 1 of 4")

    assert (seen[0].fraction, seen[0].message) == ((known + 25) / 100, f"step 1 of 4, {left}")
