"""A running job's side of its row: progress, what is done already, signs of life, and the question whether to stop."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ...domain.job import Heard, Job
from ...errors import DatabaseUnavailable, Interrupted, JobCancelled, JobLost
from ...storage import Database

__all__ = ["HEARTBEAT_S", "JobContext"]

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
"""The time between two signs of life of a job."""
WRITE_INTERVAL_S = 0.5
LISTEN_S = 0.2
WAITING = "waiting"


class JobContext:
    """Keep a job alive while the block runs: a context manager whose thread writes the job's heartbeats.

    The thread also learns whether the job must stop. `report` then raises an error in the thread that does the work,
    and work that reports nothing is interrupted soon after. While the database is away, reports are lost but the job
    goes on.

    Args:
        folder: the job's own folder, for the checkpoint of a later attempt.
        interrupt: makes the thread that does the work raise Interrupted, wherever it is; without it, that thread ends
            its current step.

    Attributes:
        checkpoint: what this attempt and the ones before it have done.
    """

    def __init__(
        self,
        database: Database,
        job: Job,
        folder: Path,
        interrupt: Callable[[], None] | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.job = job
        self.folder = folder
        self.checkpoint: dict[str, Any] = dict(job.checkpoint)
        self._database = database
        self._interrupt = interrupt
        self._heartbeat_s = heartbeat_s
        self._heard = Heard.GO_ON
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{job.id}", daemon=True)
        self._last_write = 0.0
        self._last_stage = ""
        self._fraction = job.progress
        self._unwritten: tuple[float, str, str] | None = None

    def __enter__(self) -> "JobContext":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if isinstance(error, Interrupted):
            self._obey(self._last_stage)
        if error is None:
            self._write()

    def report(self, fraction: float, stage: str, message: str = "") -> None:
        """Write progress; cheap enough to call at every step, since most calls write nothing; the last does in the end.

        Raises:
            JobCancelled: somebody asked the job to stop.
            JobLost: another process works on the job by now.
        """
        self._obey(stage)
        self._fraction = fraction
        self._unwritten = (fraction, stage, message)
        now = time.monotonic()
        if stage != self._last_stage or now - self._last_write >= WRITE_INTERVAL_S:
            self._last_stage, self._last_write = stage, now
            self._write()

    def wait(self, seconds: float, message: str) -> None:
        """Wait, and report why; raises the errors of `report` at once."""
        self.report(self._fraction, WAITING, message)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LISTEN_S))
            self._obey(WAITING)

    def keep(self, **done: Any) -> None:
        """Add to the checkpoint, JSON values only; it is in the database when this returns.

        Raises:
            JobLost: another process works on the job by now.
        """
        self.checkpoint |= done
        if not self._database.jobs.keep(self.job, self.checkpoint):
            self._heard = Heard.LOST
            self._obey("keeping a checkpoint")

    def _write(self) -> None:
        news, self._unwritten = self._unwritten, None
        if news is None:
            return
        try:
            self._database.jobs.progress(self.job, *news)
        except DatabaseUnavailable as error:
            log.warning("the progress of job %s was not written: %s", self.job.id, error)

    def _obey(self, stage: str) -> None:
        if self._heard is not Heard.GO_ON:
            self._interrupt = None  # no interrupt may disturb the cleaning up after this error
        if self._heard is Heard.STOP:
            raise JobCancelled(f"job {self.job.id} was cancelled while {stage}")
        if self._heard is Heard.LOST:
            raise JobLost(f"job {self.job.id} is over or in other hands since attempt {self.job.attempt} was {stage}")

    def _beat(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            self._interrupt_if_deaf()
            try:
                self._heard = self._database.jobs.beat(self.job)
            except Exception as error:
                # The thread's outermost frame: a failed heartbeat must not be the last one.
                log.warning("no sign of life of job %s could be written: %s", self.job.id, error)

    def _interrupt_if_deaf(self) -> None:
        """Interrupt, once, a thread that was to stop since the last heartbeat and has reported nothing since."""
        if self._heard is not Heard.GO_ON and self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            interrupt()
