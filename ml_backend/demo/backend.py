"""The backend as a child process, ended with everything it started, and the steps that somebody takes with it."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..domain.job import Job, JobState
from ..domain.progress import Progress, ProgressCallback
from ..domain.project import Project
from ..domain.snapshot import SplitFractions
from ..errors import ConfigurationError, JobError
from ..options import PREFIX, Options
from ..storage.database import Database
from ..tasks import template_path
from ..workflows.connecting.connect import Connection, create_and_connect
from ..workflows.services import Services
from .tickets import Ticket

__all__ = ["BackendProcess", "demo_settings", "make_project", "running_backend"]

START_S = 60.0
GRACE_S = 15.0
POLL_S = 0.2
JOB_POLL_S = 0.3
ARRIVAL_S = 15.0
TITLE = "Support tickets"
QUOTED_LINES = 15
SPLIT = SplitFractions(0.7, 0.1, 0.2)
"""A fifth for the test: with 100 test rows and more the gate decides by an interval, not by a point estimate."""


def demo_settings(home: Path, *, port: int, studio_url: str, studio_token: str, **others: Any) -> Options:
    """Return settings that take nothing from the user's environment, with credentials on loopback as off it."""
    own: dict[str, Any] = {
        "home": home,
        "port": port,
        "password": secrets.token_urlsafe(12),
        "webhook_password": secrets.token_urlsafe(12),
        "studio_url": studio_url,
        "studio_token": studio_token,
        "split": SPLIT,
    }
    return Options(**own | others)


@dataclass(frozen=True, slots=True)
class BackendProcess:
    """A running `labelloop serve`, in a separate process session, so that Ctrl-C at the terminal does not hit it."""

    settings: Options
    log_file: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        """URL of the backend and the admin's page."""
        return self.settings.backend.url

    def check(self) -> None:
        """Raise an error if the backend has ended.

        Raises:
            ConfigurationError: it has ended; the message holds the end of its log.
        """
        status = self.process.poll()
        if status is not None:
            lines = self.log_file.read_text(errors="replace").strip().splitlines()[-QUOTED_LINES:]
            raise ConfigurationError(
                "\n".join([f"the backend ended with status {status}; its log {self.log_file} ends with:", *lines])
            )

    def wait_until_ready(self, timeout_s: float = START_S) -> None:
        """Return once `/health` answers.

        Raises:
            ConfigurationError: it ended, or did not answer in time.
        """
        import httpx

        deadline = time.monotonic() + timeout_s
        # A proxy of the environment has no business on loopback.
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            while True:
                self.check()
                with suppress(httpx.HTTPError):
                    if client.get(f"{self.url}/health").status_code == httpx.codes.OK:
                        break
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"the backend did not answer at {self.url} within {timeout_s:g} s; see its log {self.log_file}"
                    )
                time.sleep(POLL_S)
        # What answers may be another program that took the port meanwhile.
        self.check()

    def press_start_training(self, services: Services, project: Project) -> Job:
        """Press Start Training in Label Studio; returns the job that this led to.

        Raises:
            JobError: none arrived; Label Studio itself never says that a press failed.
            ConfigurationError: the backend has ended.
        """
        if project.backend_id is None:
            raise JobError(f"project {project.id} has no backend in Label Studio; run `labelloop connect {project.id}`")
        jobs = services.database.jobs
        before = jobs.last("train", project.id)
        services.studio.start_training(project.backend_id)
        deadline = time.monotonic() + ARRIVAL_S
        while True:
            job = jobs.last("train", project.id)
            if job is not None and (before is None or job.id != before.id or not job.state.is_over):
                return job
            self.check()
            if time.monotonic() > deadline:
                raise JobError(
                    f"Start Training was pressed, but no job arrived within {ARRIVAL_S:g} s; "
                    f"the backend's log may say why: {self.log_file}"
                )
            time.sleep(JOB_POLL_S)

    def finish(self, services: Services, job: Job, progress: ProgressCallback = Progress.ignore) -> Job:
        """Wait for a job; returns it once it has succeeded.

        Raises:
            JobError: it did not.
            ConfigurationError: the backend has ended, and nothing looks after the job.
        """
        while not job.state.is_over:
            progress(job.latest)
            time.sleep(JOB_POLL_S)
            self.check()
            job = services.database.jobs.get(job.id)
        if job.state is not JobState.SUCCEEDED:
            raise JobError(f"job {job.id} ({job.kind}) {job.state}: {job.error}; the backend's log: {self.log_file}")
        return job


def make_project(services: Services, tickets: Sequence[Ticket]) -> Connection:
    """Make and connect a project of the tickets' texts, without their labels."""
    label_config = template_path("classification").read_text(encoding="utf-8")
    return create_and_connect(services, TITLE, label_config, [{"text": ticket.text} for ticket in tickets])


@contextmanager
def running_backend(settings: Options, database: Database, *, log_file: Path) -> Iterator[BackendProcess]:
    """Start a backend with these settings, and end it and its jobs with the block.

    Args:
        database: the backend's, which knows the processes of jobs.
    """
    process = _launch(settings, log_file)
    try:
        yield BackendProcess(settings, log_file, process)
    finally:
        _end(process)
        _end_jobs(database)


def _own_environment(settings: Options) -> dict[str, str]:
    """Return what the demo sets: all else stays a default, and the page of settings says so."""
    defaults = Options().environment()
    return {name: text for name, text in settings.environment().items() if text != defaults[name]}


def _launch(settings: Options, log_file: Path) -> "subprocess.Popen[bytes]":
    log_file.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ml_backend", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**inherited, **_own_environment(settings)},
            start_new_session=True,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _end_jobs(database: Database) -> None:
    """Jobs outlive their server by design, so that a restart costs no training; a demo leaves nothing behind."""
    for job in database.jobs.running():
        if job.pid is not None:
            _signal(job.pid, signal.SIGKILL)
        # One that starts at this very moment, its process not known yet, reads its row and stops by itself.
        database.jobs.cancel(job.id)
        database.jobs.finish(job, JobState.CANCELLED, error="the demo was ended")


def _signal(group: int, number: signal.Signals) -> None:
    # macOS answers PermissionError for a group whose processes have all ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
