from datetime import UTC, datetime, timedelta

import pytest

from ml_backend.measuring.shares import share_interval, weeks

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("share", "count", "interval"), [(0.5, 100, (0.4038, 0.5962)), (1.0, 10, (0.7225, 1.0)), (0.0, 1, (0.0, 0.7935))]
)
def test_intervals_are_those_of_wilson(share: float, count: int, interval: tuple[float, float]) -> None:
    assert share_interval(share, count) == pytest.approx(interval, abs=1e-4)


def test_weeks_begin_on_monday_and_those_with_few_are_put_together() -> None:
    days = [13, 0, 6, 7, 8, 30, 14, 21]

    found = weeks([MONDAY + timedelta(days=day, hours=5) for day in days], least=2)

    assert [(monday, [days[place] for place in places]) for monday, places in found] == [
        (MONDAY, [0, 6]),
        (MONDAY + timedelta(days=7), [7, 8, 13]),
        (MONDAY + timedelta(days=14), [14, 21]),
        (MONDAY + timedelta(days=28), [30]),
    ]
    assert weeks([], least=2) == []
