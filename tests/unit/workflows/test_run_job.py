"""A job from its claim to its end."""

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.job import Job, JobState
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import Interrupted, JobCancelled, JobError, StudioUnreachable
from ml_backend.jobs.signals import interrupt, interrupted_by_signals
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.promote import PromoteJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version, choice, texts_in

TRAIN, TEST = texts_in(Split.TRAIN, 3), texts_in(Split.TEST, 4)


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, TRAIN)


def prelabel_job(services: Services) -> Job:
    return PrelabelJob(trigger="test").request(services, 1, claim=True)[0]


def promotion_job(services: Services, version: str | None, *, is_forced: bool = False, reason: str = "asked") -> Job:
    return PromoteJob(version=version, reason=reason, is_forced=is_forced).request(services, 1, claim=True)[0]


def ended(services: Services, job: Job) -> Job:
    assert run_job(services, job.id) is services.database.jobs.get(job.id).state
    return services.database.jobs.get(job.id)


def test_a_prelabeling_pushes_and_selects(services: Services, project: Project) -> None:
    job = ended(services, prelabel_job(services))

    version = services.cold_start(project).version
    assert job.state is JobState.SUCCEEDED
    assert job.result == {"model_version": version, "pushed": 3, "is_selected": True}
    assert (job.progress, job.stage, job.error) == (1.0, "done", None)
    assert services.studio.project(1).model_version == version


def test_a_prelabeling_of_an_empty_project_succeeds_without_a_selection(services: Services) -> None:
    add_project(services)

    assert ended(services, prelabel_job(services)).result["is_selected"] is False


def test_a_prelabeling_takes_the_champion_of_now(services: Services, project: Project) -> None:
    services.champions.get(project)
    version = add_version(services, project)
    services.versions.serve(version.name)

    assert ended(services, prelabel_job(services)).result["model_version"] == version.name


def test_a_failure_stands_in_the_row_and_in_the_log_as_it_was_raised(
    services: Services, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    services.studio.refusals["push_predictions"] = StudioUnreachable("Label Studio is away; start it")

    caplog.set_level(logging.ERROR)

    job = ended(services, prelabel_job(services))

    assert (job.state, job.error, job.result) == (JobState.FAILED, "Label Studio is away; start it", {})
    assert job.finished_at == services.clock()
    assert caplog.messages == ["job 1 failed: Label Studio is away; start it"]


def test_a_bug_stands_in_the_row_by_its_type_and_in_the_log_with_its_traceback(
    services: Services, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    services.studio.refusals["push_predictions"] = ZeroDivisionError("division by zero")

    job = ended(services, prelabel_job(services))

    assert job.state is JobState.FAILED
    assert job.error == f"ZeroDivisionError: division by zero; see `labelloop jobs logs {job.id}`"
    assert "Traceback" in caplog.text


def test_a_cancelled_job_ends_as_cancelled(services: Services, project: Project) -> None:
    services.studio.refusals["tasks_without_prediction"] = JobCancelled("job 1 was cancelled while pushing")

    job = ended(services, prelabel_job(services))

    assert (job.state, job.error) == (JobState.CANCELLED, "job 1 was cancelled while pushing")


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.SUCCEEDED])
def test_only_a_claimed_job_is_run(services: Services, project: Project, state: JobState) -> None:
    job, _ = PrelabelJob(trigger="test").request(services, 1, claim=state.is_over)
    if state.is_over:
        services.database.jobs.finish(job, state)

    with pytest.raises(JobError, match=f"job 1 is {state}"):
        run_job(services, job.id)

    assert services.studio.prediction_counts(1) == {}


def test_a_job_given_up_meanwhile_stays_given_up(services: Services, project: Project) -> None:
    job = prelabel_job(services)
    read = services.studio.tasks_without_prediction

    def read_too_slowly(*arguments: Any) -> Any:
        services.database.jobs.finish(job, JobState.ABANDONED, error="no sign of life")
        return read(*arguments)

    services.studio.tasks_without_prediction = read_too_slowly

    assert run_job(services, job.id) is JobState.ABANDONED


def test_a_training_without_a_reviewed_task_fails_before_anything_is_loaded(
    services: Services, project: Project
) -> None:
    job, _ = TrainJob.by_settings(services, "test").request(services, 1, claim=True)

    job = ended(services, job)

    assert job.state is JobState.FAILED
    assert "project 1 holds no reviewed task that gives a row" in str(job.error)
    assert services.tracker.runs == []


def test_a_forced_promotion_needs_no_gate(services: Services, project: Project) -> None:
    version = add_version(services, project)

    job = ended(services, promotion_job(services, version.name, is_forced=True))

    cold_start = services.cold_start(project).version
    assert job.result == {"model_version": version.name, "previous": cold_start, "is_cold_start": False}
    assert services.database.gates.count(project.ref.key) == 0


def test_a_forced_promotion_takes_the_place_of_one_that_is_stuck(services: Services, project: Project) -> None:
    stuck, wanted = add_version(services, project), add_version(services, project)
    services.database.promotions.begin(1, stuck.name, previous="x", reason="r", is_forced=False)

    assert ended(services, promotion_job(services, wanted.name, is_forced=True)).state is JobState.SUCCEEDED


def reviewed_project(services: Services, label: str) -> Project:
    """A project with a snapshot whose rows all have one label."""
    project = add_project(services, [*TRAIN, *TEST])
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": choice(label)})
    export_project(services, project)
    return project


def test_a_promotion_by_request_holds_a_gate_and_says_so(services: Services) -> None:
    project = reviewed_project(services, "Shipping")
    version = add_version(services, project, "Shipping")

    job = ended(services, promotion_job(services, version.name, reason="asked for"))

    promotion = services.database.promotions.history(1)[0]
    assert (job.state, promotion.version) == (JobState.SUCCEEDED, version.name)
    assert promotion.reason.startswith("asked for; ")
    assert services.database.gates.count(project.ref.key) == 1


def test_a_promotion_by_request_that_fails_its_gate_changes_nothing(services: Services) -> None:
    project = reviewed_project(services, "Billing")
    version = add_version(services, project, "Shipping")

    job = ended(services, promotion_job(services, version.name))

    assert job.state is JobState.FAILED
    assert f"`labelloop models promote {version.name} --force" in str(job.error)
    assert services.versions.champion(project.ref.key) is None
    assert services.database.promotions.history(1) == []


def test_a_promotion_without_a_version_rolls_back(services: Services, project: Project) -> None:
    Promoter(services).promote(project, add_version(services, project).name, reason="r")

    job = ended(services, promotion_job(services, None, is_forced=True, reason="worse"))

    assert (job.state, job.result["is_cold_start"]) == (JobState.SUCCEEDED, True)
    assert services.versions.champion(project.ref.key) is None


def report_for(context: JobContext, *, seconds: float) -> None:
    """A long step that reports often."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        context.report(Progress(0.5, "pushing"))
        time.sleep(0.005)


def test_progress_is_written_at_each_new_stage_and_at_the_end_but_not_at_every_step(
    services: Services, project: Project, tmp_path: Path
) -> None:
    job = prelabel_job(services)

    with JobContext(services.database, job, tmp_path) as context:
        context.report(Progress(0.1, "loading", "a"))
        context.report(Progress(0.2, "loading", "b"))
        first = services.database.jobs.get(job.id)
        context.report(Progress(0.3, "pushing", "c"))
        second = services.database.jobs.get(job.id)
        context.report(Progress(1.0, "pushing", "d"))
    last = services.database.jobs.get(job.id)

    assert (first.progress, first.stage, first.message) == (0.1, "loading", "a")
    assert (second.progress, second.stage, second.message) == (0.3, "pushing", "c")
    assert (last.progress, last.stage, last.message) == (1.0, "pushing", "d")


def test_a_running_job_gives_signs_of_life_and_hears_of_its_cancellation(
    services: Services, project: Project, tmp_path: Path
) -> None:
    job = prelabel_job(services)
    services.clock.advance(10)
    services.database.jobs.cancel(job.id)

    with (
        JobContext(services.database, job, tmp_path, heartbeat_s=0.005) as context,
        pytest.raises(JobCancelled, match=f"job {job.id} was cancelled while pushing"),
    ):
        report_for(context, seconds=5)

    assert services.database.jobs.get(job.id).heartbeat_at == services.clock()


@pytest.mark.parametrize(
    ("place", "state"),
    [
        ("tasks_without_prediction", JobState.CANCELLED),
        ("update_project", JobState.CANCELLED),
        ("update_project", JobState.QUEUED),  # as another process sees it, which takes the job up
    ],
)
def test_a_job_that_reports_nothing_is_interrupted(
    place: str, state: JobState, services: Services, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prelabel_job(services)

    def hang(*_arguments: object) -> None:
        if state is JobState.CANCELLED:
            services.database.jobs.cancel(job.id)
        else:
            services.database.jobs.requeue(job, "no sign of life")
        time.sleep(30)

    monkeypatch.setattr(services.studio, place, hang)
    began = time.monotonic()

    with interrupted_by_signals():
        assert run_job(services, job.id, interrupt, heartbeat_s=0.02) is state

    assert time.monotonic() - began < 5


def test_a_job_that_has_heard_is_not_interrupted_while_it_clears_up(
    services: Services, project: Project, tmp_path: Path
) -> None:
    job = prelabel_job(services)
    services.database.jobs.cancel(job.id)
    interrupts: list[bool] = []
    context = JobContext(services.database, job, tmp_path, lambda: interrupts.append(True), heartbeat_s=0.05)

    with context:
        with pytest.raises(JobCancelled):
            report_for(context, seconds=5)
        time.sleep(0.2)

    assert interrupts == []


def test_a_signal_that_nobody_cancelled_the_job_for_leaves_it_to_the_next_attempt(
    services: Services, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = prelabel_job(services)
    monkeypatch.setattr(services.studio, "update_project", lambda *_: interrupt())

    with interrupted_by_signals(), pytest.raises(Interrupted):
        run_job(services, job.id, interrupt)

    assert services.database.jobs.get(job.id).state is JobState.RUNNING
