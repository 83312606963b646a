"""A running job's side of its row: progress, signs of life, and the question whether to stop."""

import threading
import time
from types import TracebackType

from ..domain.job import Job
from ..errors import JobCancelled
from ..storage import Database

__all__ = ["JobContext"]

HEARTBEAT_S = 2.0
WRITE_INTERVAL_S = 0.5


class JobContext:
    """Used as a context manager: a thread gives signs of life for as long as the block runs.

    The thread also learns of a cancellation; `report` raises it in the thread that does the work.
    """

    def __init__(self, database: Database, job: Job, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.job = job
        self._database = database
        self._heartbeat_s = heartbeat_s
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{job.id}", daemon=True)
        self._last_write = 0.0
        self._last_stage = ""

    def __enter__(self) -> "JobContext":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def report(self, fraction: float, stage: str, message: str = "") -> None:
        """Write progress; cheap enough to call at every step, since most calls write nothing.

        Raises:
            JobCancelled: somebody asked the job to stop.
        """
        if self._cancelled.is_set():
            raise JobCancelled(f"job {self.job.id} was cancelled while {stage}")
        now = time.monotonic()
        if stage != self._last_stage or now - self._last_write >= WRITE_INTERVAL_S:
            self._database.jobs.progress(self.job.id, fraction, stage, message)
            self._last_stage, self._last_write = stage, now

    def _beat(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            if self._database.jobs.beat(self.job.id):
                self._cancelled.set()
