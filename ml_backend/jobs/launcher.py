"""Starts jobs. A child process takes its memory with it when it ends, and cannot take the server down."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..domain.job import Job

__all__ = ["InlineLauncher", "SubprocessLauncher", "log_path"]

GRACE_S = 10.0


def log_path(home: Path, job_id: int) -> Path:
    """The file that a job's output goes to."""
    return home / "jobs" / f"{job_id}.log"


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A job's child process, in a session of its own, so that a Ctrl-C at the server does not hit it."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class SubprocessLauncher:
    """Runs `python -m ml_backend job run ID`.

    Attributes:
        environment: settings for the child, added to this process's environment.
        niceness: added to the child's, so that training beside it does not slow serving down.
    """

    home: Path
    environment: Mapping[str, str]
    niceness: int = 10

    def launch(self, job: Job) -> ChildProcess:
        """Start the child; its output is appended to the job's log file."""
        path = log_path(self.home, job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        niceness = ["nice", "-n", str(self.niceness)] if self.niceness else []
        with path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own module)
                [*niceness, sys.executable, "-m", "ml_backend", "job", "run", str(job.id)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        return ChildProcess(process)


@dataclass(frozen=True, slots=True)
class FinishedInline:
    """A job that ran in this process and is over."""

    exit_status: int
    pid: int

    def poll(self) -> int | None:
        return self.exit_status

    def terminate(self) -> None:
        """Nothing is left to stop."""


@dataclass(frozen=True, slots=True)
class InlineLauncher:
    """Runs the job in this process, before `launch` returns.

    Attributes:
        run: takes a job's id and returns an exit status.
    """

    run: Callable[[int], int]

    def launch(self, job: Job) -> FinishedInline:
        """Run the job to its end."""
        return FinishedInline(self.run(job.id), os.getpid())
