"""Jobs whose process died, and what they left behind."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ml_backend.domain.job import HeartbeatReply, Job, JobState
from ml_backend.domain.model import ModelVersion, PromotionState
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import DatabaseUnavailable, JobLost, StudioUnreachable, TrackingError
from ml_backend.jobs.launcher import job_folder
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.promote import PromoteJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.recovery import JobRecovery
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.prelabel import BatchSizes
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakeRun
from tests.services import add_project, add_version, build_test_services, texts_in

TEXTS = texts_in(Split.TRAIN, 3)


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, TEXTS)


@pytest.fixture
def job(services: Services, project: Project) -> Job:
    """A training that is at work."""
    claimed, _ = TrainJob.by_settings(services, "test").request(services, project.id, claim=True)
    services.database.jobs.progress(claimed, 0.5, "training", "epoch 2")
    return services.database.jobs.get(claimed.id)


@pytest.fixture
def version(services: Services, project: Project) -> ModelVersion:
    """A version that is not promoted."""
    return add_version(services, project)


@pytest.fixture
def promotion_job(services: Services, version: ModelVersion) -> Job:
    """A promotion of this version that is at work."""
    wanted = PromoteJob(version=version.name, reason="asked", is_forced=True)
    return wanted.request(services, 1, claim=True)[0]


def begin(services: Services, job: Job, version: ModelVersion) -> None:
    services.database.promotions.begin(1, version.name, previous="x", reason="asked", is_forced=True, job_id=job.id)


def promotion_state(services: Services, job: Job) -> PromotionState:
    found = services.database.promotions.of_job(job.id)
    assert found is not None
    return found.state


def now(services: Services, job: Job) -> Job:
    return services.database.jobs.get(job.id)


def with_run(services: Services, job: Job) -> Job:
    """The job with a folder of its own and a tracking run that nobody ended."""
    folder = job_folder(services.options.home, job.id)
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_text("half of it")
    services.tracker.runs.append(FakeRun("run-1", "tickets-1", "tickets-1-v1", folder))
    services.database.jobs.keep(job, {"run_id": "run-1"})
    return now(services, job)


def test_a_job_without_a_sign_of_life_goes_on_and_one_with_a_sign_is_left_alone(services: Services, job: Job) -> None:
    services.clock.advance(61)
    other = add_project(services, title="Other")
    alive, _ = TrainJob.by_settings(services, "test").request(services, other.id, claim=True)

    reaped = JobRecovery(services).recover_dead()

    assert [found.id for found in reaped] == [job.id]
    assert (now(services, job).state, now(services, job).attempt) == (JobState.QUEUED, 2)
    assert now(services, job).message == (
        "goes on by itself: no sign of life since 2026-01-01 12:00:00 UTC, while 'training'"
    )
    assert now(services, alive) == alive
    assert JobRecovery(services).recover_dead() == []


def test_a_job_whose_process_is_seen_to_be_gone_goes_on_at_once(
    services: Services, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.database.jobs.started(job, 4711, "here")
    monkeypatch.setattr(type(services.launcher), "is_gone", lambda _self, job: job.pid == 4711)

    JobRecovery(services).recover_dead()

    assert now(services, job).message == "goes on by itself: its process 4711 is gone, while 'training'"


def test_an_abandoned_job_keeps_what_it_can_go_on_from_and_its_run_is_ended(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, job_attempts=1)
    add_project(services, TEXTS)
    job = with_run(services, TrainJob.by_settings(services, "test").request(services, 1, claim=True)[0])

    JobRecovery(services).recover(job, "no sign of life")

    assert now(services, job).state is JobState.ABANDONED
    assert now(services, job).error == (
        "no sign of life, while 'starting'; death 1 of 1 without progress, so the job is over; "
        f"its output: `labelloop jobs logs {job.id}`; `labelloop jobs resume {job.id}` tries again"
    )
    assert services.tracker.runs[0].state == "FAILED"
    assert (job_folder(services.options.home, job.id) / "checkpoint").exists()


def test_a_cancelled_job_whose_process_died_leaves_nothing(services: Services, job: Job) -> None:
    job = with_run(services, job)
    services.database.jobs.cancel(job.id)

    JobRecovery(services).recover(job, "its process was killed by SIGTERM")

    assert now(services, job).state is JobState.CANCELLED
    assert now(services, job).error == "cancelled; its process was killed by SIGTERM, while 'training'"
    assert services.tracker.runs[0].state == "KILLED"
    assert not job_folder(services.options.home, job.id).exists()


def test_a_death_noticed_twice_changes_nothing_the_second_time(services: Services, job: Job) -> None:
    JobRecovery(services).recover(job, "it died")
    second = services.database.jobs.claim()
    assert second is not None

    assert JobRecovery(services).recover(job, "it died").attempt == second.attempt

    assert now(services, job) == second


def test_a_job_cancelled_while_it_waits_for_its_next_attempt_is_cleared_up(services: Services, job: Job) -> None:
    job = with_run(services, job)
    JobRecovery(services).recover(job, "it died")
    services.database.jobs.cancel(job.id)

    JobRecovery(services).clean_up()

    assert services.tracker.runs[0].state == "KILLED"
    assert not job_folder(services.options.home, job.id).exists()


def test_what_cannot_be_cleared_up_now_is_cleared_up_later(services: Services, job: Job) -> None:
    job = with_run(services, job)
    services.database.jobs.finish(job, JobState.CANCELLED)
    close = services.tracker.close

    def away(run_id: str, *, was_cancelled: bool) -> None:
        raise TrackingError("MLflow is away")

    services.tracker.close = away
    JobRecovery(services).clean_up_after(now(services, job))
    assert job_folder(services.options.home, job.id).exists()

    services.tracker.close = close
    JobRecovery(services).clean_up()

    assert services.tracker.runs[0].state == "KILLED"
    assert not job_folder(services.options.home, job.id).exists()


def test_a_failure_that_nobody_resumed_for_a_week_is_cleared_up(services: Services, job: Job) -> None:
    job = with_run(services, job)
    services.database.jobs.finish(job, JobState.FAILED)
    folder = job_folder(services.options.home, job.id)

    services.clock.advance(timedelta(days=7).total_seconds())
    JobRecovery(services).clean_up()
    assert folder.exists()
    services.clock.advance(1)
    JobRecovery(services).clean_up()

    assert not folder.exists()


def test_other_folders_and_those_of_jobs_at_work_are_left_alone(services: Services, job: Job) -> None:
    kept = [job_folder(services.options.home, job.id), services.options.home / "jobs" / "notes"]
    kept.append(job_folder(services.options.home, 4711))
    for folder in kept:
        folder.mkdir(parents=True)

    JobRecovery(services).clean_up()

    assert [folder.exists() for folder in kept] == [True, True, True]


def stop_after(services: Services, pushes: int, what: Callable[[], None]) -> None:
    """Have something happen once so many pushes of predictions are done."""
    push, done = services.studio.push_predictions, []

    def push_and_look(*arguments: object) -> int:
        done.append(push(*arguments))
        if len(done) == pushes:
            what()
        return done[-1]

    services.studio.push_predictions = push_and_look


def test_a_promotion_cancelled_while_it_pushes_is_withdrawn_with_its_predictions(
    services: Services, project: Project, promotion_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A push holds thousands of predictions; there have to be two, so that the job can be cancelled between them.
    monkeypatch.setattr("ml_backend.workflows.labeling.prelabel.LABELS", BatchSizes(1, 1))

    def cancel_and_let_it_be_heard() -> None:
        services.database.jobs.cancel(promotion_job.id)
        time.sleep(0.5)

    stop_after(services, 1, cancel_and_let_it_be_heard)

    assert run_job(services, promotion_job.id, heartbeat_s=0.005) is JobState.CANCELLED

    assert promotion_state(services, promotion_job) is PromotionState.ABANDONED
    assert services.studio.prediction_counts(1) == {}
    assert services.versions.champion(project.ref.key) is None


def test_a_cancelled_promotion_that_could_not_be_withdrawn_is_withdrawn_by_the_worker(
    services: Services, project: Project, version: ModelVersion, promotion_job: Job
) -> None:
    begin(services, promotion_job, version)
    services.database.jobs.finish(promotion_job, JobState.CANCELLED)
    services.studio.refusals["delete_predictions"] = StudioUnreachable("away")
    JobRecovery(services).clean_up_after(now(services, promotion_job))
    assert promotion_state(services, promotion_job) is PromotionState.INTENT

    del services.studio.refusals["delete_predictions"]
    assert Promoter(services).reconcile() == 0

    assert promotion_state(services, promotion_job) is PromotionState.ABANDONED
    assert services.versions.champion(project.ref.key) is None


@pytest.mark.parametrize("is_finished_by_the_worker", [False, True])
def test_a_promotion_whose_process_died_succeeds_at_the_next_attempt(
    services: Services, version: ModelVersion, promotion_job: Job, is_finished_by_the_worker: bool
) -> None:
    begin(services, promotion_job, version)
    JobRecovery(services).recover(promotion_job, "it died")
    if is_finished_by_the_worker:
        Promoter(services).reconcile()
    again = services.database.jobs.claim()
    assert again is not None

    assert run_job(services, again.id) is JobState.SUCCEEDED

    assert now(services, promotion_job).result["model_version"] == version.name
    assert len(services.database.promotions.history(1)) == 1
    assert services.database.promotions.open(1) is None


def test_a_process_whose_job_was_taken_up_by_another_one_stops(services: Services, job: Job, tmp_path: Path) -> None:
    with JobContext(services.database, job, tmp_path, heartbeat_s=60) as context:
        services.database.jobs.requeue(job, "no sign of life")
        with pytest.raises(JobLost, match=f"job {job.id} is over or in other hands since attempt 1"):
            context.keep(epoch=3)
        with pytest.raises(JobLost):
            context.report(Progress(0.6, "training"))
    assert now(services, job).checkpoint == {}


def test_a_job_that_was_lost_writes_nothing(services: Services, promotion_job: Job) -> None:
    services.studio.refusals["push_predictions"] = JobLost("in other hands")

    assert run_job(services, promotion_job.id) is JobState.RUNNING
    assert now(services, promotion_job).error is None


def test_a_database_that_is_away_for_a_while_costs_news_and_not_the_job(
    services: Services, promotion_job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    repository = type(services.database.jobs)
    finish, failures = repository.finish, ["progress", "beat", "finish"]

    def away(name: str) -> DatabaseUnavailable:
        failures.remove(name)
        return DatabaseUnavailable(f"the server closed the connection ({name})", is_passing=True)

    def progress(*_: object) -> None:
        if "progress" in failures:
            raise away("progress")

    def beat(*_: object) -> HeartbeatReply:
        if "beat" in failures:
            raise away("beat")
        return HeartbeatReply.CONTINUE

    def finish_at_last(*arguments: object, **more: object) -> bool:
        if "finish" in failures:
            raise away("finish")
        return finish(*arguments, **more)

    for name, method in {"progress": progress, "beat": beat, "finish": finish_at_last}.items():
        monkeypatch.setattr(repository, name, method)
    stop_after(services, 1, lambda: time.sleep(0.1))

    assert run_job(services, promotion_job.id, heartbeat_s=0.005) is JobState.SUCCEEDED

    assert failures == []
    assert f"the progress of job {promotion_job.id} was not written" in caplog.text
    assert f"no sign of life of job {promotion_job.id} could be written" in caplog.text
