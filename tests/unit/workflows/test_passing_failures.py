"""Jobs while something is away or busy: they retry, and are resumed later if that is not enough."""

import threading
import time
from pathlib import Path

import pytest

from ml_backend.domain.job import Job, JobState
from ml_backend.errors import LabelloopError, StudioRejected, StudioUnreachable, TrackingError
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.recovery import JobRecovery
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
