"""The worker, its children, and those that died."""

import signal
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ml_backend.domain.annotation import ProjectInfo
from ml_backend.domain.event import AnnotationEvent, EventAction, HintKind
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import DatabaseUnavailable, StudioUnreachable
from ml_backend.storage.repositories.jobs import JobRepository
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.worker import Worker, WorkerIntervals
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version, build_test_services, texts_in

TEXTS = texts_in(Split.TRAIN, 2)


@dataclass
class FakeChild:
    """A job's process that ends when it is told to."""

    pid: int | None
    host: str = "here"
    status: int | None = None
    was_terminated: bool = False

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.was_terminated = True
        self.status = -signal.SIGTERM


@dataclass
class FakeLauncher:
    """Keeps the children by job."""

    children: dict[int, FakeChild] = field(default_factory=dict)
    error: OSError | None = None
    has_room: bool = True

    def launch(self, job: Job, *, is_bound: bool = False) -> FakeChild:
        if self.error:
            raise self.error
        self.children[job.id] = FakeChild(5000 + 10 * job.id + job.attempt if self.has_room else None)
        return self.children[job.id]

    def is_gone(self, job: Job) -> bool:
        return False

    def kill(self, job: Job) -> None:
        """No test has a hanging child."""


@pytest.fixture
def launcher() -> FakeLauncher:
    return FakeLauncher()


@pytest.fixture
def services(tmp_path: Path, launcher: FakeLauncher) -> Services:
    services = replace(build_test_services(tmp_path, retrain_after=2), launcher=launcher)
    add_project(services, TEXTS)
    return services


@pytest.fixture
def project(services: Services) -> Project:
    return services.database.projects.get(1)


@dataclass
class Watched:
    """A pre-labeling that waits, and the worker that will start its process."""

    id: int
    services: Services
    launcher: FakeLauncher
    worker: Worker

    @property
    def now(self) -> Job:
        return self.services.database.jobs.get(self.id)

    @property
    def child(self) -> FakeChild:
        return self.launcher.children[self.id]


@pytest.fixture
def job(services: Services, launcher: FakeLauncher) -> Watched:
    return Watched(PrelabelJob(trigger="test").request(services, 1)[0].id, services, launcher, Worker(services))


def state(services: Services, job: Job) -> JobState:
    return services.database.jobs.get(job.id).state


def succeed(services: Services, job_id: int, child: FakeChild) -> None:
    """Have a job and its process come to their end."""
    services.database.jobs.finish(services.database.jobs.get(job_id), JobState.SUCCEEDED)
    child.status = 0


def test_a_queued_job_runs_to_its_end_in_process(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    add_project(services, TEXTS)
    job, _ = PrelabelJob(trigger="test").request(services, 1)
    worker = Worker(services)

    worker.step()
    worker.step()

    assert state(services, job) is JobState.SUCCEEDED
    assert worker.is_idle


def test_a_project_has_one_running_job_and_projects_do_not_wait_for_each_other(
    services: Services, job: Watched
) -> None:
    add_project(services, TEXTS, title="Other")
    second, _ = TrainJob.by_settings(services, "test").request(services, 1)
    other, _ = TrainJob.by_settings(services, "test").request(services, 2)

    job.worker.step()

    states = [state(services, each) for each in (job.now, second, other)]
    assert states == [JobState.RUNNING, JobState.QUEUED, JobState.RUNNING]
    succeed(services, job.id, job.child)
    job.worker.step()
    assert state(services, second) is JobState.RUNNING
    assert not job.worker.is_idle


def test_a_process_that_cannot_be_started_fails_its_job(launcher: FakeLauncher, job: Watched) -> None:
    launcher.error = OSError("too many processes")

    job.worker.step()

    found = (job.now.state, job.now.error)
    assert found == (JobState.FAILED, "the process did not start: too many processes")
    assert job.worker.is_idle


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (1, "its process ended with status 1 without saying how the job went"),
        (0, "its process ended with status 0 without saying how the job went"),
        (-signal.SIGKILL, "its process was killed by SIGKILL (the kernel does that to processes when memory runs out)"),
        (-signal.SIGSEGV, "its process was killed by SIGSEGV"),
        (143, "its process was killed by SIGTERM"),
        (255, "its process ended with status 255 without saying how the job went"),
    ],
)
def test_a_job_whose_process_died_goes_on_by_itself(services: Services, job: Watched, status: int, reason: str) -> None:
    job.worker.step()
    job.child.status = status

    job.worker.look_after_children()
    assert job.now.message == f"goes on by itself: {reason}, while 'starting'"
    job.worker.step()

    assert (job.now.state, job.now.attempt, job.now.pid) == (JobState.RUNNING, 2, job.child.pid)
    succeed(services, job.id, job.child)
    job.worker.step()
    assert (job.now.state, job.worker.is_idle) == (JobState.SUCCEEDED, True)


def test_a_job_whose_processes_keep_dying_fails(services: Services, job: Watched) -> None:
    for _ in range(services.options.jobs.attempts):
        job.worker.step()
        job.child.status = -signal.SIGSEGV

    job.worker.step()

    assert (job.now.state, job.now.attempt) == (JobState.FAILED, 3)
    assert job.now.error == (
        "its process was killed by SIGSEGV, while 'starting'; death 3 of 3 without progress, so the job is over; "
        f"its output: `labelloop jobs logs {job.id}`; `labelloop jobs resume {job.id}` tries again"
    )
    job.worker.step()
    assert job.now.state is JobState.FAILED


def test_a_job_that_gets_on_between_deaths_is_never_given_up(services: Services, job: Watched) -> None:
    for attempt in range(1, 8):
        job.worker.step()
        assert (job.now.state, job.now.attempt) == (JobState.RUNNING, attempt)
        services.database.jobs.keep(job.now, {"epoch": attempt})
        job.child.status = -signal.SIGKILL

    job.worker.step()

    assert job.now.checkpoint == {"epoch": 7}


def test_a_worker_runs_no_more_jobs_at_once_than_it_may(tmp_path: Path, launcher: FakeLauncher) -> None:
    services = replace(build_test_services(tmp_path, jobs_at_once=2), launcher=launcher)
    jobs = [TrainJob.by_settings(services, "test").request(services, 0)[0] for number in range(3)]
    worker = Worker(services)

    worker.step()
    assert [state(services, job) for job in jobs] == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]
    succeed(services, jobs[0].id, launcher.children[jobs[0].id])
    worker.step()

    assert [state(services, job) for job in jobs] == [JobState.SUCCEEDED, JobState.RUNNING, JobState.RUNNING]


def test_what_the_job_itself_wrote_stands(services: Services, job: Watched) -> None:
    job.worker.step()
    services.database.jobs.finish(job.now, JobState.FAILED, error="one label only")
    job.child.status = 1

    job.worker.step()

    assert job.now.error == "one label only"


def test_a_job_that_waits_for_room_is_alive_and_its_place_is_noted_later(services: Services, job: Watched) -> None:
    job.launcher.has_room = False
    job.worker.step()
    before = job.now
    services.clock.advance(3600)

    job.worker.step()
    waiting = job.now
    job.child.pid = 77
    job.worker.step()

    assert (before.state, before.pid, waiting.pid) == (JobState.RUNNING, None, None)
    assert waiting.heartbeat_at == services.clock()
    assert (job.now.attempt, job.now.pid, job.now.host) == (1, 77, "here")


def test_a_cancelled_job_gets_time_to_stop_and_is_then_stopped(services: Services, job: Watched) -> None:
    worker = Worker(services, WorkerIntervals(cancel_grace_s=0.05))
    worker.step()
    services.database.jobs.cancel(job.id)

    worker.step()
    assert not job.child.was_terminated
    time.sleep(0.06)
    worker.step()
    assert job.child.was_terminated
    worker.step()

    assert (job.now.state, worker.is_idle) == (JobState.CANCELLED, True)


def test_the_worker_keeps_house(services: Services, project: Project, launcher: FakeLauncher) -> None:
    busy, waiting = add_project(services, title="Busy"), add_project(services, title="Waiting")
    stale, _ = TrainJob.by_settings(services, "test").request(services, busy.id, claim=True)
    version = add_version(services, project)
    services.database.promotions.begin(project.id, version.name, previous="x", reason="r", is_forced=False)
    services.studio.import_tasks(waiting.id, [{"data": {"text": text}} for text in TEXTS])
    for task_id in list(services.studio.tasks)[-2:]:
        stored = services.studio.submit_annotation(task_id, {"result": []})
        told = AnnotationEvent(waiting.id, EventAction.CREATED, stored["id"], task_id, changed_at=stored["updated_at"])
        services.database.events.add([told])
    services.clock.advance(61)

    Worker(services).step()

    assert services.database.jobs.get(stale.id).attempt == 2
    assert services.versions.serving(project) == version.name
    started = services.database.jobs.last("train", waiting.id)
    assert started is not None
    assert started.id in launcher.children


@pytest.mark.parametrize(("again_s", "attempts"), [(60.0, 1), (0.0, 3)])
def test_a_promotion_that_cannot_be_finished_is_tried_again_after_a_pause(
    services: Services, again_s: float, attempts: int
) -> None:
    tried: list[str] = []
    find = services.versions.get

    def note_and_find(version: str) -> ModelVersion:
        tried.append(version)
        return find(version)

    services.versions.get = note_and_find
    services.database.promotions.begin(1, "tickets-1-v9", previous="x", reason="r", is_forced=False)
    worker = Worker(services, WorkerIntervals(housekeeping_s=0.0, reconcile_again_s=again_s))

    for _ in range(3):
        worker.step()

    assert tried == ["tickets-1-v9"] * attempts


@pytest.mark.parametrize(("again_s", "attempts"), [(60.0, 1), (0.0, 3)])
def test_label_studio_is_asked_again_after_a_pause_and_its_trouble_is_told_once(
    services: Services, project: Project, caplog: pytest.LogCaptureFixture, again_s: float, attempts: int
) -> None:
    asked: list[int] = []

    def ask(project_id: int) -> ProjectInfo:
        asked.append(project_id)
        raise StudioUnreachable("Label Studio is away")

    for each in (project, add_project(services, title="Other")):
        services.database.hints.put(each.id, HintKind.SETTINGS)
    services.studio.project = ask
    worker = Worker(services, WorkerIntervals(housekeeping_s=0.0, ask_again_s=again_s))

    for _ in range(3):
        worker.step()

    assert asked == [project.id] * attempts
    assert [message for message in caplog.messages if "Label Studio is away" in message] == [
        f"project {project.id}: events wait until Label Studio can confirm them: Label Studio is away"
    ]
    assert services.database.hints.find(project.id, HintKind.SETTINGS) is not None


def test_a_project_that_label_studio_refuses_does_not_keep_the_others_waiting(
    services: Services, project: Project
) -> None:
    other = add_project(services, title="Other")
    for each in (project, other):
        services.database.hints.put(each.id, HintKind.SETTINGS)
    del services.studio.projects[project.id]
    services.studio.update_project(other.id, {"title": "Renamed"})

    Worker(services).step()

    assert services.database.projects.get(other.id).title == "Renamed"
    assert services.database.hints.find(other.id, HintKind.SETTINGS) is None
    assert services.database.hints.find(project.id, HintKind.SETTINGS) is not None


def test_one_bad_round_does_not_end_the_worker(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    stop, rounds = threading.Event(), []

    class Flaky(Worker):
        def step(self) -> None:
            rounds.append(1)
            if len(rounds) == 3:
                stop.set()
            raise ZeroDivisionError

    Flaky(services, WorkerIntervals(poll_s=0.0)).run(stop)

    assert len(rounds) == 3
    assert caplog.messages == ["a round of the worker failed; the next one goes on"] * 3


def test_jobs_that_could_give_no_sign_of_life_are_left_alone_once_the_database_is_back(
    services: Services, launcher: FakeLauncher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job, _ = PrelabelJob(trigger="test").request(services, 1, claim=True)
    services.clock.advance(3600)  # no sign of life for an hour
    stale, rounds, stop = JobRepository.stale, [], threading.Event()

    def away_at_first(repository: JobRepository, timeout_s: float) -> list[Job]:
        rounds.append(time.monotonic())
        if len(rounds) == 1:
            raise DatabaseUnavailable("the server closed the connection", is_passing=True)
        stop.set()
        return stale(repository, timeout_s)

    monkeypatch.setattr(JobRepository, "stale", away_at_first)

    Worker(services, WorkerIntervals(poll_s=0.01, blindness_s=0.3)).run(stop)

    assert rounds[1] - rounds[0] >= 0.3
    assert services.database.jobs.get(job.id).attempt == 2  # it has given none since
    assert caplog.messages.count("no job is started for now: the server closed the connection") == 1
