"""The worker, its children, and those that died."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.job import Job, JobKind, JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.retrain import request_prelabeling, request_training
from ml_backend.workflows.services import Services
from ml_backend.workflows.work import Timing, Worker, explain_exit, reap_abandoned
from tests.services import add_project, add_version, build_test_services, texts_in

TEXTS = texts_in(Split.TRAIN, 2)


@dataclass
class FakeChild:
    """A job's process that ends when it is told to."""

    pid: int
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

    def launch(self, job: Job) -> FakeChild:
        if self.error:
            raise self.error
        return self.children.setdefault(job.id, FakeChild(pid=5000 + job.id))


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


def state(services: Services, job: Job) -> JobState:
    return services.database.jobs.get(job.id).state


def test_a_queued_job_runs_to_its_end_in_process(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    add_project(services, TEXTS)
    job, _ = request_prelabeling(services, 1, trigger="test")
    worker = Worker(services)

    worker.step()
    worker.step()

    assert state(services, job) is JobState.SUCCEEDED
    assert worker.is_idle
    assert services.database.jobs.get(job.id).pid == os.getpid()


def test_a_project_has_one_running_job_and_projects_do_not_wait_for_each_other(
    services: Services, launcher: FakeLauncher
) -> None:
    add_project(services, TEXTS, title="Other")
    first, _ = request_prelabeling(services, 1, trigger="test")
    second, _ = request_training(services, 1, trigger="test")
    other, _ = request_training(services, 2, trigger="test")
    worker = Worker(services)

    worker.step()

    assert [state(services, job) for job in (first, second, other)] == [
        JobState.RUNNING,
        JobState.QUEUED,
        JobState.RUNNING,
    ]
    services.database.jobs.finish(first.id, JobState.SUCCEEDED)
    launcher.children[first.id].status = 0
    worker.step()
    assert state(services, second) is JobState.RUNNING
    assert not worker.is_idle


def test_two_workers_share_the_jobs_without_running_one_twice(services: Services, launcher: FakeLauncher) -> None:
    job, _ = request_prelabeling(services, 1, trigger="test")
    first, second = Worker(services), Worker(services)

    first.step()
    second.step()

    assert list(launcher.children) == [job.id]
    assert (first.is_idle, second.is_idle) == (False, True)


def test_a_process_that_cannot_be_started_fails_its_job(services: Services, launcher: FakeLauncher) -> None:
    launcher.error = OSError("too many processes")
    job, _ = request_prelabeling(services, 1, trigger="test")
    worker = Worker(services)

    worker.step()

    found = services.database.jobs.get(job.id)
    assert (found.state, found.error) == (JobState.FAILED, "the process did not start: too many processes")
    assert worker.is_idle


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "the process ended with status 1 without saying how the job went"),
        (0, "the process ended with status 0 without saying how the job went"),
        (-signal.SIGKILL, "the process was killed by SIGKILL (the kernel does that to processes when memory runs out)"),
        (-signal.SIGSEGV, "the process was killed by SIGSEGV; nothing of it was registered"),
    ],
)
def test_a_process_that_died_without_a_word_fails_its_job(
    services: Services, launcher: FakeLauncher, status: int, said: str
) -> None:
    job, _ = request_prelabeling(services, 1, trigger="test")
    worker = Worker(services)
    worker.step()
    launcher.children[job.id].status = status

    worker.step()

    found = services.database.jobs.get(job.id)
    assert found.state is JobState.FAILED
    assert found.error == explain_exit(job.id, status)
    assert found.error.startswith(said)
    assert f"labelloop jobs logs {job.id}" in found.error


def test_what_the_job_itself_wrote_stands(services: Services, launcher: FakeLauncher) -> None:
    job, _ = request_prelabeling(services, 1, trigger="test")
    worker = Worker(services)
    worker.step()
    services.database.jobs.finish(job.id, JobState.FAILED, error="one label only")
    launcher.children[job.id].status = 1

    worker.step()

    assert services.database.jobs.get(job.id).error == "one label only"


def test_a_cancelled_job_gets_time_to_stop_and_is_then_stopped(services: Services, launcher: FakeLauncher) -> None:
    job, _ = request_prelabeling(services, 1, trigger="test")
    worker = Worker(services, Timing(cancel_grace_s=0.05))
    worker.step()
    services.database.jobs.cancel(job.id)

    worker.step()
    assert not launcher.children[job.id].was_terminated
    time.sleep(0.06)
    worker.step()
    assert launcher.children[job.id].was_terminated
    worker.step()

    assert state(services, job) is JobState.CANCELLED
    assert worker.is_idle


def test_jobs_without_a_sign_of_life_are_given_up(services: Services) -> None:
    stale, _ = request_training(services, 1, trigger="test", claim=True)
    services.database.jobs.progress(stale.id, 0.5, "training", "epoch 2")
    services.clock.advance(61)
    add_project(services, title="Other")
    alive, _ = request_training(services, 2, trigger="test", claim=True)

    ended = reap_abandoned(services)

    assert [job.id for job in ended] == [stale.id]
    assert (ended[0].state, state(services, alive)) == (JobState.ABANDONED, JobState.RUNNING)
    assert ended[0].error == (
        "abandoned: no sign of life since 2026-01-01 12:00:00 UTC while 'training'; "
        f"its output: `labelloop jobs logs {stale.id}`"
    )
    assert reap_abandoned(services) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc, which this system lacks")
def test_the_hanging_process_of_a_given_up_job_is_stopped_and_no_other(services: Services) -> None:
    wait = "import time; time.sleep(60)"
    jobs = [request_training(services, 0, trigger="test", dedupe_key=str(n), claim=True)[0] for n in range(2)]
    words = ["ml_backend", "job", "run", str(jobs[0].id)]
    with (
        subprocess.Popen([sys.executable, "-c", wait, *words], start_new_session=True) as hanging,
        subprocess.Popen([sys.executable, "-c", wait], start_new_session=True) as unrelated,
    ):
        try:
            services.database.jobs.started(jobs[0].id, hanging.pid)
            services.database.jobs.started(jobs[1].id, unrelated.pid)
            services.clock.advance(61)

            assert len(reap_abandoned(services)) == 2

            assert hanging.wait(10) == -signal.SIGKILL
            with pytest.raises(subprocess.TimeoutExpired):
                unrelated.wait(0.3)
        finally:
            hanging.kill()
            unrelated.kill()


def test_the_worker_keeps_house(services: Services, project: Project, launcher: FakeLauncher) -> None:
    busy, waiting = add_project(services, title="Busy"), add_project(services, title="Waiting")
    stale, _ = request_training(services, busy.id, trigger="test", claim=True)
    version = add_version(services, project)
    services.database.promotions.begin(project.id, version.name, previous="x", reason="r", is_forced=False)
    services.database.events.add([AnnotationEvent(waiting.id, EventAction.CREATED, number) for number in (1, 2)])
    services.clock.advance(61)

    Worker(services).step()

    assert state(services, stale) is JobState.ABANDONED
    assert services.registry.champion(project.ref.key) == services.registry.get(version.name)
    started = services.database.jobs.last(JobKind.TRAIN, waiting.id)
    assert started is not None
    assert started.id in launcher.children


@pytest.mark.parametrize(("again_s", "attempts"), [(60.0, 1), (0.0, 3)])
def test_a_promotion_that_cannot_be_finished_is_tried_again_after_a_pause(
    services: Services, again_s: float, attempts: int
) -> None:
    tried: list[str] = []
    find = services.registry.get

    def note_and_find(version: str) -> ModelVersion:
        tried.append(version)
        return find(version)

    services.registry.get = note_and_find
    services.database.promotions.begin(1, "tickets-1-v9", previous="x", reason="r", is_forced=False)
    worker = Worker(services, Timing(housekeeping_s=0.0, reconcile_again_s=again_s))

    for _ in range(3):
        worker.step()

    assert tried == ["tickets-1-v9"] * attempts


def test_one_bad_round_does_not_end_the_worker(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    stop, rounds = threading.Event(), []

    class Flaky(Worker):
        def step(self) -> None:
            rounds.append(1)
            if len(rounds) == 3:
                stop.set()
            raise ZeroDivisionError

    Flaky(services, Timing(poll_s=0.0)).run(stop)

    assert len(rounds) == 3
    assert caplog.messages == ["a round of the worker failed; the next one goes on"] * 3
