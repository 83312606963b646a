"""Recover jobs whose process died, try again what failed in passing, and clear away what jobs leave behind."""

import logging
import shutil
from datetime import timedelta

from ...domain.job import Job, JobState
from ...errors import JobError, JobNotFound, LabelloopError
from ...jobs.launcher import job_folder
from ..promoting.promote import Promoter
from ..services import Services

__all__ = ["JobRecovery"]

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""How long a failed job can be resumed from what it left."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
MOST_ATTEMPTS = 16
COMMAND = "command"
"""The trigger of jobs that are not resumed: whoever started the command sees the failure and can start it again."""


class JobRecovery:
    """Recovers jobs, and cleans up after them. Several processes may do so at the same time."""

    def __init__(self, services: Services) -> None:
        self._services, self._jobs = services, services.database.jobs

    def recover_dead(self) -> list[Job]:
        """Recover every running job whose process has ended or has given no sign of life for too long.

        Returns:
            These jobs, as they are now.
        """
        silent = {job.id for job in self._jobs.stale(self._services.options.jobs.heartbeat_timeout_s)}
        recovered = []
        for job in self._jobs.running():
            if self._services.launcher.is_gone(job):
                recovered.append(self.recover(job, f"its process {job.pid} is gone"))
            elif job.id in silent:
                # One that hangs and wakes up later must find itself replaced, or better, not wake up.
                self._services.launcher.kill(job)
                recovered.append(self.recover(job, f"no sign of life since {job.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"))
        return recovered

    def recover(self, job: Job, reason: str, *, otherwise: JobState = JobState.ABANDONED) -> Job:
        """Queue a running job whose process is gone for its next attempt, or end it; return it as it is then.

        Where another process has done that already, nothing changes.

        Args:
            reason: what is known of the death.
            otherwise: the state of the job where too many of its processes have died in a row.
        """
        current = self._jobs.get(job.id)
        if current.attempt != job.attempt or current.state is not JobState.RUNNING:
            return current
        reason = f"{reason}, while {current.stage!r}"
        most_deaths = self._services.options.jobs.attempts
        if current.cancel_requested:
            is_over = self._jobs.finish(current, JobState.CANCELLED, error=f"cancelled; {reason}")
        elif current.deaths + 1 < most_deaths:
            if self._jobs.requeue(current, reason):
                log.warning("job %s goes on with attempt %s: %s", job.id, current.attempt + 1, reason)
            is_over = False
        else:
            logs = f"its output: `labelloop jobs logs {job.id}`; `labelloop jobs resume {job.id}` tries again"
            count = f"death {current.deaths + 1} of {most_deaths} without progress, so the job is over"
            is_over = self._jobs.finish(current, otherwise, error=f"{reason}; {count}; {logs}")
        current = self._jobs.get(job.id)
        if is_over:
            log.warning("job %s is %s: %s", job.id, current.state, current.error)
            self.clean_up_after(current)
        return current

    def clean_up_after(self, job: Job) -> None:
        """Remove what a job that is over has left half-done; what it can be resumed from stays where it is resumable.

        While MLflow or Label Studio is away, the rest is left for `clean_up`.
        """
        try:
            run_id = job.checkpoint.get("run_id")
            if run_id and job.state is not JobState.SUCCEEDED:
                self._services.tracker.close(run_id, was_cancelled=job.state is JobState.CANCELLED)
            if job.state is JobState.CANCELLED:
                Promoter(self._services).withdraw(job)
        except LabelloopError as error:
            log.warning("what job %s left behind is cleared up later: %s", job.id, error)
            return
        if not job.state.is_resumable:
            shutil.rmtree(job_folder(self._services.options.home, job.id), ignore_errors=True)
            if job.checkpoint:
                self._services.shared.drop(f"jobs/{job.id}")

    def clean_up(self) -> None:
        """Clean up after jobs that ended while no worker ran, and after failures that nobody resumed for a week."""
        for folder in (self._services.options.home / "jobs").glob("*/"):
            try:
                job = self._jobs.get(int(folder.name))
            except (ValueError, JobNotFound):
                continue  # not ours, or of another database
            if not job.state.is_over:
                continue
            if not job.state.is_resumable:
                self.clean_up_after(job)
            elif job.finished_at and self._services.clock() - job.finished_at > KEPT_FOR:
                shutil.rmtree(folder, ignore_errors=True)

    def resume_failed(self) -> list[Job]:
        """Resume jobs that failed because something was away or busy, each time after a longer pause.

        Jobs that a command started are left to whoever sees the command fail.
        """
        return [job for failed in self._jobs.failed_in_passing() if (job := self._resumed(failed))]

    def _resumed(self, job: Job) -> Job | None:
        if job.params.get("trigger", COMMAND) == COMMAND or job.attempt >= MOST_ATTEMPTS or job.finished_at is None:
            return None
        if self._services.clock() - job.finished_at < min(FIRST_PAUSE * 2 ** (job.attempt - 1), LONGEST_PAUSE):
            return None
        try:
            resumed = self._jobs.resume(job.id)
        except JobError as error:
            log.info("job %s cannot be resumed now: %s", job.id, error)
            return None
        reason = "it failed for a reason that may be over"
        log.warning("job %s is resumed, attempt %s; %s: %s", job.id, resumed.attempt, reason, job.error)
        return resumed
