"""Trying again what was away or busy."""

import pytest

from ml_backend.errors import (
    DatabaseUnavailable,
    JobCancelled,
    LabelloopError,
    SnapshotError,
    StudioRejected,
    StudioUnauthorized,
    StudioUnreachable,
    TextServerUnreachable,
    TrackingError,
)
from ml_backend.workflows.jobs.retries import with_retries


class Work:
    """Raises one failure after another, and then gives its result."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.done = 0

    def __call__(self) -> str:
        self.done += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


class Waits:
    """Remembers what it was told instead of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.messages: list[str] = []

    def __call__(self, seconds: float, message: str) -> None:
        self.seconds.append(seconds)
        self.messages.append(message)


@pytest.mark.parametrize(
    "failure",
    [
        StudioUnreachable("away"),
        StudioRejected("busy", status=429),
        StudioRejected("broken", status=500),
        TrackingError("locked", is_passing=True),
        DatabaseUnavailable("away", is_passing=True),
        TextServerUnreachable("away"),
    ],
)
def test_a_passing_failure_is_tried_again_after_growing_waits(failure: LabelloopError) -> None:
    work, waits = Work(*[failure] * 6), Waits()

    assert with_retries(work, 126.0, waits) == "done"

    assert waits.seconds == [2, 4, 8, 16, 32, 64]
    assert waits.messages[2] == f"trying again in 8 s (3 of 6): {failure}"


@pytest.mark.parametrize(
    ("failure", "patience_s"),
    [
        (StudioRejected("no such project", status=404), 126.0),
        (StudioUnauthorized("the token is wrong"), 126.0),
        (TrackingError("the schema is too old"), 126.0),
        (DatabaseUnavailable("the disk is full", is_passing=False), 126.0),
        (SnapshotError("not one row"), 126.0),
        (JobCancelled("somebody cancelled"), 126.0),
        (ZeroDivisionError("a bug"), 126.0),
        pytest.param(StudioRejected("busy", status=429, retry_after_s=7200.0), 63.0, id="wanted: hours"),
        pytest.param(StudioUnreachable("away"), 0.0, id="without patience"),
    ],
)
def test_a_failure_that_lasts_or_would_be_waited_for_too_long_is_raised_at_once(
    failure: Exception, patience_s: float
) -> None:
    work, waits = Work(failure), Waits()

    with pytest.raises(type(failure), match=str(failure)):
        with_retries(work, patience_s, waits)

    assert (work.done, waits.seconds) == (1, [])


def test_the_seventh_passing_failure_is_the_last() -> None:
    work, waits = Work(*[StudioUnreachable(f"away {number}") for number in range(9)]), Waits()

    with pytest.raises(StudioUnreachable, match="away 6"):
        with_retries(work, 63.0, waits)

    assert sum(waits.seconds) == 63


def test_nobody_is_asked_again_sooner_than_wanted() -> None:
    waits = Waits()

    with_retries(Work(StudioRejected("busy", status=429, retry_after_s=30.0)), 63.0, waits)

    assert waits.seconds == [30]
