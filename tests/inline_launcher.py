"""Run jobs in the process of the test that requests them."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from ml_backend.domain.job import Job


@dataclass(frozen=True, slots=True)
class FinishedInline:
    """A job that ran in this process and is over."""

    exit_status: int
    pid: int
    host: str

    def poll(self) -> int | None:
        """Its exit status."""
        return self.exit_status

    def terminate(self) -> None:
        """Nothing is left to stop."""


@dataclass(frozen=True, slots=True)
class InlineLauncher:
    """Run the job in this process, before `launch` returns.

    Attributes:
        run: takes a job's id and returns an exit status.
    """

    run: Callable[[int], int]

    def launch(self, job: Job, *, is_bound: bool = False) -> FinishedInline:
        """Run the job to its end."""
        return FinishedInline(self.run(job.id), os.getpid(), socket.gethostname())

    def is_gone(self, job: Job) -> bool:
        """False: a job never outlives `launch`, and one that another process runs, only that one knows."""
        return False

    def kill(self, job: Job) -> None:
        """Nothing is left to kill."""
