"""Starts jobs. A child process takes its memory with it when it ends, and cannot take the server down."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
    """A job's child process: in a session of its own, so that a Ctrl-C at the server does not hit it."""

    process: "subprocess.Popen[bytes]"
    grace_s: float = GRACE_S

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self.process.poll()

    def terminate(self) -> None:
        """Ask it, and what it started itself, to stop; kill them all if it does not within the grace time."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


@dataclass(frozen=True, slots=True)
class SubprocessLauncher:
    """Runs `python -m ml_backend job run ID`.

    A child goes on when the process that launched it ends, by SIGKILL even: training that is under way is not lost
    with a server. Nobody polls it any more then; its row in the jobs table, kept fresh by its heartbeat, says how it
    stands, and a worker that finds the row without a heartbeat kills what is left and calls the job abandoned.

    Attributes:
        environment: settings for the child, added to this process's environment.
        niceness: added to the child's, so that training beside it does not slow serving down.
        command: what is run, with the job's id added as its last argument.
        grace_s: seconds between being asked to stop and being killed.
    """

    home: Path
    environment: Mapping[str, str]
    niceness: int = 10
    command: Sequence[str] = (sys.executable, "-m", "ml_backend", "job", "run")
    grace_s: float = GRACE_S

    def launch(self, job: Job) -> ChildProcess:
        """Start the child; its output is appended to the job's log file.

        Raises:
            OSError: it did not start.
        """
        path = log_path(self.home, job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        niceness = ["nice", "-n", str(self.niceness)] if self.niceness else []
        with path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own module)
                [*niceness, *self.command, str(job.id)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Unbuffered: a log that is followed must not lag, and one of a killed child must not lack its end.
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                start_new_session=True,
            )
        return ChildProcess(process, self.grace_s)


@dataclass(frozen=True, slots=True)
class FinishedInline:
    """A job that ran in this process and is over."""

    exit_status: int
    pid: int

    def poll(self) -> int | None:
        """Its exit status."""
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
