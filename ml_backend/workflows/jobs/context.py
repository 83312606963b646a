"""The row of a running job, as the job writes and reads it: progress, checkpoint, heartbeat, and whether to stop."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from ...domain.job import HeartbeatReply, Job
from ...domain.progress import Progress
from ...errors import DatabaseUnavailable, Interrupted, JobCancelled, JobLost
from ...jobs.loss_file import LossFile
from ...storage.database import Database
from ...storage.shared_folders import SharedFolders
from .travelling_folder import TravellingFolder

__all__ = ["JobContext"]

log = logging.getLogger(__name__)

WRITE_INTERVAL_S = 0.5
CHECK_INTERVAL_S = 0.2
"""Time between two looks, while a job waits, at whether it must stop."""
WAITING = "waiting"
LOSS = "loss"
KEPT = "folder_kept_as"


class JobContext:
    """Keep a job alive for a block, while a second thread writes its heartbeats.

    The thread also learns whether the job must stop. `report` then raises an error in the thread that does the work,
    and work that reports nothing is interrupted soon after. While the database is away, reports are lost but the job
    goes on.

    Args:
        folder: the job's folder, for what its next attempt resumes from.
        interrupt: makes the thread that does the work raise Interrupted, wherever it is; without it, that thread ends
            its current step.
        heartbeat_s: seconds between two signs of life.
        shared: where the folder is kept for an attempt on another machine; None: nowhere.

    Attributes:
        checkpoint: what this attempt and the ones before it have done.
    """

    HEARTBEAT_S: ClassVar[float] = 2.0

    def __init__(
        self,
        database: Database,
        job: Job,
        folder: Path,
        interrupt: Callable[[], None] | None = None,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        shared: SharedFolders | None = None,
    ) -> None:
        self.job = job
        self.folder = folder
        self.checkpoint: dict[str, Any] = dict(job.checkpoint)
        self._database = database
        self._losses = LossFile(folder)
        self._travelling = TravellingFolder(folder, f"jobs/{job.id}", shared or SharedFolders())
        self._interrupt = interrupt
        self._heartbeat_s = heartbeat_s
        self._reply = HeartbeatReply.CONTINUE
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{job.id}", daemon=True)
        self._last_write = 0.0
        self._last_stage = ""
        self._fraction = job.progress
        self._unwritten: Progress | None = None

    def __enter__(self) -> "JobContext":
        self._thread.start()
        try:
            self._travelling.arrive(self.checkpoint.get(KEPT))
        except BaseException:
            self.__exit__(None, None, None)
            raise
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

    def report(self, progress: Progress) -> None:
        """Write progress; a `ProgressCallback`. Most calls write nothing, except for the last one before the end.

        Raises:
            JobCancelled: somebody asked the job to stop.
            JobLost: another process works on the job by now.
        """
        self._obey(progress.stage)
        self._fraction = progress.fraction
        self._unwritten = progress
        now = time.monotonic()
        if progress.stage != self._last_stage or now - self._last_write >= WRITE_INTERVAL_S:
            self._last_stage, self._last_write = progress.stage, now
            self._write()

    def wait(self, seconds: float, message: str) -> None:
        """Wait, and report why; raises the errors of `report` at once."""
        self.report(Progress(self._fraction, WAITING, message))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, CHECK_INTERVAL_S))
            self._obey(WAITING)

    def keep(self, **done: Any) -> None:
        """Add to the checkpoint, JSON values only; it is in the database when this returns.

        Raises:
            JobLost: another process works on the job by now.
            StateError: the folder cannot be kept in the place that machines share; it may pass.
        """
        before, kept = self.checkpoint.get(KEPT), self._travelling.depart()
        self.checkpoint |= done | ({KEPT: kept} if kept else {})
        if not self._database.jobs.keep(self.job, self.checkpoint):
            self._reply = HeartbeatReply.LOST
            self._obey("keeping a checkpoint")
        if kept and before:
            self._travelling.forget(before)

    def _write(self) -> None:
        progress, self._unwritten = self._unwritten, None
        if progress is None:
            return
        try:
            self._database.jobs.progress(self.job, progress.fraction, progress.stage, progress.message)
        except DatabaseUnavailable as error:
            log.warning("the progress of job %s was not written: %s", self.job.id, error)
        if LOSS in progress.metrics:
            try:
                self._losses.add(progress.fraction, progress.metrics[LOSS])
            except OSError as error:
                log.warning("a loss of job %s was not kept: %s", self.job.id, error)

    def _obey(self, stage: str) -> None:
        if self._reply is not HeartbeatReply.CONTINUE:
            self._interrupt = None  # no interrupt may disturb the cleaning up after this error
        if self._reply is HeartbeatReply.STOP:
            raise JobCancelled(f"job {self.job.id} was cancelled while {stage}")
        if self._reply is HeartbeatReply.LOST:
            raise JobLost(f"job {self.job.id} is over or in other hands since attempt {self.job.attempt} was {stage}")

    def _beat(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            self._interrupt_if_unresponsive()
            try:
                self._reply = self._database.jobs.beat(self.job)
            except Exception as error:
                # The thread's outermost frame: a failed heartbeat must not be the last one.
                log.warning("no sign of life of job %s could be written: %s", self.job.id, error)

    def _interrupt_if_unresponsive(self) -> None:
        """Interrupt, once, a thread that was to stop since the last heartbeat and has reported nothing since."""
        if self._reply is not HeartbeatReply.CONTINUE and self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            interrupt()
