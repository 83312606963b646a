"""The worker: claims queued jobs, starts their processes, and recovers those that died."""

import logging
import signal
import threading
import time
from dataclasses import dataclass

from ...domain.job import Job, JobState
from ...domain.ports import LaunchedJob
from ...errors import DatabaseUnavailable
from ..labeling.reconcile import MissedLabels
from ..promoting.promote import Promoter
from ..services import Services
from .project_upkeep import ProjectUpkeep
from .recovery import JobRecovery

__all__ = ["Worker"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerIntervals:
    """Seconds between what the worker does.

    Attributes:
        cancel_grace_s: time for a cancelled job to stop by itself.
        reconcile_again_s: pause after a promotion could not be finished; each attempt reads the project's tasks.
        ask_again_s: pause after Label Studio could not be asked to confirm events.
        blindness_s: time for running jobs to write a heartbeat again once the database is back.
    """

    poll_s: float = 0.5
    housekeeping_s: float = 5.0
    cancel_grace_s: float = 10.0
    reconcile_again_s: float = 60.0
    ask_again_s: float = 60.0
    blindness_s: float = 20.0


class Worker:
    """A loop over the jobs table. Several may run, in this or other processes.

    Args:
        binds_jobs: jobs that it starts are cancelled where this process ends before them.
    """

    def __init__(
        self, services: Services, intervals: WorkerIntervals | None = None, *, binds_jobs: bool = False
    ) -> None:
        self._services = services
        self._binds_jobs = binds_jobs
        self._intervals = intervals or WorkerIntervals()
        self._children: dict[int, tuple[Job, LaunchedJob]] = {}
        self._cancel_seen: dict[int, float] = {}
        self._waiting: set[int] = set()
        self._next_housekeeping = 0.0
        self._next_reconciling = 0.0
        self._recovery = JobRecovery(services)
        self._upkeep = ProjectUpkeep(services, self._intervals.ask_again_s)
        self._is_database_away = False
        self._missed_labels = MissedLabels(services)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Children continue without a worker; the next worker sees how they ended."""
        while not stop.is_set():
            try:
                self.step()
                self._is_database_away = False
            except DatabaseUnavailable as error:
                self._wait_for_database(error)
            except Exception:
                # The loop is this thread's outermost frame: one bad round must not end all later ones.
                log.exception("a round of the worker failed; the next one goes on")
            stop.wait(self._intervals.poll_s)

    def _wait_for_database(self, error: DatabaseUnavailable) -> None:
        """Recover no jobs until some time after the database is back, since they could not write heartbeats either."""
        self._next_housekeeping = time.monotonic() + self._intervals.blindness_s
        if not self._is_database_away:
            log.error("no job is started for now: %s", error)
        self._is_database_away = True

    def step(self) -> None:
        """Look after running children once, then start what is queued."""
        self.look_after_children()
        now = time.monotonic()
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + self._intervals.housekeeping_s
            self._recovery.recover_dead()
            self._recovery.clean_up()
            if now >= self._next_reconciling and Promoter(self._services).reconcile():
                self._next_reconciling = now + self._intervals.reconcile_again_s
            self._recovery.resume_failed()
            self._missed_labels.look()
            self._upkeep.run()
        while len(self._children) < self._services.options.jobs.at_once:
            job = self._services.database.jobs.claim()
            if job is None:
                break
            self.start(job)

    @property
    def is_idle(self) -> bool:
        """True while no child of this worker runs."""
        return not self._children

    def look_after_children(self) -> None:
        """See which children have ended, and stop those that were cancelled and do not stop by themselves."""
        for job_id in list(self._children):
            self._look_after(job_id)

    def start(self, job: Job) -> None:
        """Start the process of a job that was claimed."""
        log.info("job %s: %s of project %s, attempt %s", job.id, job.kind, job.project_id, job.attempt)
        try:
            child = self._services.launcher.launch(job, is_bound=self._binds_jobs)
        except OSError as error:
            self._services.database.jobs.finish(
                job,
                JobState.FAILED,
                error=f"the process did not start: {error}",
                is_passing=isinstance(error, ConnectionError),
            )
            return
        self._children[job.id] = (job, child)
        self._waiting.add(job.id)
        self._note_place(job, child)

    def _note_place(self, job: Job, child: LaunchedJob) -> None:
        """Write where a job runs, once it does; until then, say that it is not dead."""
        if child.pid is None:
            self._services.database.jobs.beat(job)
        else:
            self._services.database.jobs.started(job, child.pid, child.host)
            self._waiting.discard(job.id)

    def _look_after(self, job_id: int) -> None:
        job, child = self._children[job_id]
        status = child.poll()
        if status is None:
            if job_id in self._waiting:
                self._note_place(job, child)
            if self._services.database.jobs.get(job_id).cancel_requested:
                since = self._cancel_seen.setdefault(job_id, time.monotonic())
                if time.monotonic() - since > self._intervals.cancel_grace_s:
                    child.terminate()
            return
        # Does nothing where the job itself wrote how it ended.
        self._recovery.recover(job, _explain_exit(status), otherwise=JobState.FAILED)
        del self._children[job_id]
        self._cancel_seen.pop(job_id, None)
        self._waiting.discard(job_id)


def _explain_exit(status: int) -> str:
    """Why a job's process is gone, in a few words for the job's row."""
    # A process that a signal ended in order exits with the status that shells use for it.
    number = -status if status < 0 else status - 128
    if number not in set(signal.Signals):
        return f"its process ended with status {status} without saying how the job went"
    name = signal.Signals(number).name
    memory = " (the kernel does that to processes when memory runs out)" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{memory}"
