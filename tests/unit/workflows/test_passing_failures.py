"""Jobs while something is away or busy: they retry, and are resumed later if that is not enough."""

import threading
import time
from pathlib import Path

import pytest

from ml_backend.domain.job import Job, JobState
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
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.recovery import JobRecovery
from ml_backend.workflows.jobs.retries import with_retries
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from tests.services import add_project, build_test_services

AWAY = StudioUnreachable("Label Studio is away")
BUSY = StudioRejected("Label Studio is busy", status=429, retry_after_s=0.01)
BROKEN = StudioRejected("Label Studio stumbled", status=500)
REFUSED = StudioRejected("Label Studio knows no such project", status=404)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = build_test_services(tmp_path, job_patience_s=0.05)
    add_project(services, ["where is my card", "the money is late"])
    return services


def prelabel(services: Services, *, trigger: str = "import") -> Job:
    job, _ = PrelabelJob(trigger=trigger).request(services, 1, claim=True)
    run_job(services, job.id)
    return services.database.jobs.get(job.id)


def fail(services: Services, trigger: str, failure: LabelloopError = AWAY) -> Job:
    services.studio.refusals["project"] = failure
    job, _ = TrainJob.by_settings(services, trigger).request(services, 1, claim=True)
    run_job(services, job.id)
    del services.studio.refusals["project"]
    return services.database.jobs.get(job.id)


@pytest.mark.parametrize(
    ("call", "failure"),
    [("count_without_prediction", AWAY), ("push_predictions", BUSY), ("prediction_counts", BROKEN)],
)
def test_a_job_waits_for_what_is_back_within_its_patience(
    services: Services, call: str, failure: LabelloopError
) -> None:
    services.studio.hiccups[call] = [failure] * 3

    job = prelabel(services)

    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert services.studio.prediction_counts(1) == {job.result["model_version"]: 2}


def test_the_row_says_what_a_job_waits_for(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, job_patience_s=630.0)
    add_project(services, ["where is my card"])
    services.studio.refusals["count_without_prediction"] = AWAY
    job, _ = PrelabelJob(trigger="import").request(services, 1, claim=True)
    running = threading.Thread(target=run_job, args=(services, job.id))
    running.start()

    deadline = time.monotonic() + 10
    while services.database.jobs.get(job.id).stage != "waiting" and time.monotonic() < deadline:
        time.sleep(0.02)
    waiting = services.database.jobs.get(job.id)
    services.database.jobs.cancel(job.id)
    running.join(10)

    assert waiting.message == "trying again in 10 s (1 of 6): Label Studio is away"
    assert services.database.jobs.get(job.id).state is JobState.CANCELLED


@pytest.mark.parametrize(("failure", "is_passing"), [(AWAY, True), (BROKEN, True), (REFUSED, False)])
def test_a_failed_job_says_whether_that_may_be_over_by_itself(
    services: Services, failure: LabelloopError, is_passing: bool
) -> None:
    job = fail(services, "policy", failure)

    assert (job.state, job.error, job.failure_is_passing) == (JobState.FAILED, str(failure), is_passing)


@pytest.mark.parametrize("trigger", ["policy", "label-studio", "page"])
def test_a_job_that_failed_in_passing_is_asked_for_again_after_longer_and_longer_pauses(
    services: Services, trigger: str
) -> None:
    job = fail(services, trigger)
    waited_min = []
    for _ in range(7):
        minutes = 0
        while not JobRecovery(services).resume_failed():
            services.clock.advance(60)
            minutes += 1
        waited_min.append(minutes)
        resumed = services.database.jobs.claim()
        assert resumed is not None
        assert (resumed.id, resumed.failure_is_passing) == (job.id, False)
        services.database.jobs.finish(resumed, JobState.FAILED, error="away", is_passing=True)

    assert waited_min == [1, 2, 4, 8, 16, 32, 60]


def test_a_job_is_not_asked_for_again_for_ever(services: Services) -> None:
    fail(services, "policy")
    resumed = 0
    for _ in range(40):
        services.clock.advance(3600)
        if JobRecovery(services).resume_failed():
            resumed += 1
            job = services.database.jobs.claim()
            assert job is not None
            services.database.jobs.finish(job, JobState.FAILED, is_passing=True)

    assert resumed == 15


@pytest.mark.parametrize(("trigger", "failure"), [("command", AWAY), ("policy", REFUSED)])
def test_what_somebody_watched_and_what_lasts_is_not_asked_for_again(
    services: Services, trigger: str, failure: LabelloopError
) -> None:
    fail(services, trigger, failure)
    services.clock.advance(86_400)

    assert JobRecovery(services).resume_failed() == []


def test_what_was_asked_for_anew_is_not_gone_on_with(services: Services) -> None:
    fail(services, "policy")
    TrainJob.by_settings(services, "page").request(services, 1)
    services.clock.advance(86_400)

    assert JobRecovery(services).resume_failed() == []


def test_a_job_that_was_resumed_goes_on_from_its_checkpoint(services: Services) -> None:
    services.studio.refusals["prediction_counts"] = TrackingError("MLflow is locked", is_passing=True)
    job = prelabel(services)
    del services.studio.refusals["prediction_counts"]
    services.clock.advance(60)

    [resumed] = JobRecovery(services).resume_failed()
    services.database.jobs.claim()

    assert run_job(services, job.id) is JobState.SUCCEEDED
    assert (resumed.id, resumed.attempt) == (job.id, 2)
    assert services.studio.prediction_counts(1) == {services.database.jobs.get(job.id).result["model_version"]: 2}


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
