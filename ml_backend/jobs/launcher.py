"""Start jobs. A child process takes its memory with it when it ends, and cannot take the server down."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..domain.job import Job

__all__ = ["GRACE_S", "ChildProcess", "SubprocessLauncher", "job_folder", "log_path"]

GRACE_S = 10.0


def _machine_name() -> str:
    """Return a name for where process ids are unique: the host, and on Linux the process namespace of a container."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def job_folder(home: Path, job_id: int) -> Path:
    """Return the folder for what the job's next attempt resumes from."""
    return home / "jobs" / str(job_id)


def log_path(home: Path, job_id: int) -> Path:
    """Return the file for the job's output."""
    return home / "jobs" / f"{job_id}.log"


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A job's child process. It leads a new session, so that a Ctrl-C at the server does not hit it."""

    process: "subprocess.Popen[bytes]"
    grace_s: float = GRACE_S

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def host(self) -> str:
        """Name of this machine."""
        return _machine_name()

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        status = self.process.poll()
        if status is not None and self.process.stdin is not None:
            self.process.stdin.close()
        return status

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
    """Run `python -m ml_backend job run ID`.

    A child that is not bound continues when the process that launched it ends, even by SIGKILL, so that no training is
    lost with a server. Nobody polls the child then; its row in the jobs table, refreshed by its heartbeat, holds its
    state. A worker on the same machine notices when the process is gone, one on another machine when the heartbeat
    stops.

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

    def launch(self, job: Job, *, is_bound: bool = False) -> ChildProcess:
        """Start the child; its output is appended to the job's log file.

        Args:
            is_bound: the child's standard input is a pipe, which is closed when this process ends.

        Raises:
            OSError: it did not start.
        """
        path = log_path(self.home, job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        niceness = ["nice", "-n", str(self.niceness)] if self.niceness else []
        with path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter and our own module)
                [*niceness, *self.command, str(job.id)],
                stdin=subprocess.PIPE if is_bound else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Unbuffered: a log that is followed must not lag, and one of a killed child must not lack its end.
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                start_new_session=True,
            )
        return ChildProcess(process, self.grace_s)

    def is_gone(self, job: Job) -> bool:
        """Return True where the job's process ran on this machine and has ended; False where that is unknown."""
        return job.pid is not None and job.host == _machine_name() and self._process(job) is None

    def kill(self, job: Job) -> None:
        """Kill the job's process and what it started, where it runs on this machine."""
        process = self._process(job) if job.host == _machine_name() else None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _process(self, job: Job) -> psutil.Process | None:
        """Return the process that the row names, unless another program has its id by now."""
        try:
            process = psutil.Process(job.pid)
            # The interpreter may have been started by another path; its arguments identify the job.
            words = [*self.command[1:], str(job.id)]
            return process if process.cmdline()[-len(words) :] == words else None
        except psutil.Error:
            return None
