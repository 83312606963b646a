"""A command that runs a job, or watches one."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ml_backend.cli.foreground import run_in_foreground
from ml_backend.domain.job import Job, JobState
from ml_backend.errors import Interrupted, JobError
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.services import Services
from tests.services import add_project, build_test_services

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@dataclass
class Child:
    """A job's process that does what `end` says once its row is asked to stop."""

    services: Services
    job: Job
    end: JobState
    pid: int = 5001
    host: str = "here"

    def poll(self) -> int | None:
        jobs = self.services.database.jobs
        if not jobs.get(self.job.id).cancel_requested:
            return None
        jobs.finish(self.job, self.end, error="as told")
        return 1

    def terminate(self) -> None:
        raise AssertionError


@dataclass
class Launcher:
    """Starts such children."""

    services: Services
    end: JobState = JobState.CANCELLED
    is_bound: bool = False

    def launch(self, job: Job, *, is_bound: bool = False) -> Child:
        self.is_bound = is_bound
        return Child(self.services, job, self.end)

    def is_gone(self, job: Job) -> bool:
        return False

    def kill(self, job: Job) -> None:
        raise AssertionError


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = build_test_services(tmp_path)
    add_project(services)
    yield services
    services.database.close()


def run(
    services: Services,
    launcher: Launcher,
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[Job], object] = lambda _: None,
) -> Job:
    """Run the job, and do something before or after it is claimed."""

    def claim() -> tuple[Job, bool]:
        before()
        job, is_new = PrelabelJob(trigger="test").request(services, 1, claim=True)
        after(job)
        return job, is_new

    return run_in_foreground(replace(services, launcher=launcher), claim)


def soon(number: signal.Signals) -> Callable[[], None]:
    """Send this process a signal while the job runs."""
    return threading.Timer(0.1, os.kill, (os.getpid(), number)).start


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cancels_the_job_of_a_command(
    number: signal.Signals, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = Launcher(services)

    with pytest.raises(Interrupted) as raised:
        run(services, launcher, before=soon(number))

    assert raised.value.code == 128 + number
    assert services.database.jobs.get(1).state is JobState.CANCELLED
    assert launcher.is_bound
    assert "job 1 was cancelled: as told" in capsys.readouterr().err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_job_that_was_done_before_it_heard_of_the_signal_has_succeeded(
    number: signal.Signals, services: Services
) -> None:
    job = run(services, Launcher(services, JobState.SUCCEEDED), before=soon(number))

    assert job.state is JobState.SUCCEEDED


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_watching_and_not_the_job_of_somebody_else(
    number: signal.Signals, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.database.jobs.started(PrelabelJob(trigger="page").request(services, 1, claim=True)[0], 5001, "there")

    with pytest.raises(Interrupted):
        run(services, Launcher(services), before=soon(number))

    assert services.database.jobs.get(1).state is JobState.RUNNING
    assert capsys.readouterr().err.endswith("job 1 goes on\n")


def test_a_signal_that_comes_while_the_job_is_claimed_cancels_it_too(services: Services) -> None:
    with pytest.raises(Interrupted):
        run(services, Launcher(services), before=lambda: signal.raise_signal(signal.SIGTERM))

    assert services.database.jobs.get(1).state is JobState.CANCELLED


def test_a_job_that_somebody_cancels_elsewhere_is_an_error(services: Services) -> None:
    with pytest.raises(JobError, match="job 1 was cancelled: as told"):
        run(services, Launcher(services), after=lambda job: services.database.jobs.cancel(job.id))
