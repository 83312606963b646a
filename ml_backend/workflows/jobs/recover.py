"""Recover jobs whose process died, and clean up after jobs that are over."""

import logging
import shutil
from datetime import timedelta

from ...domain.job import Job, JobState
from ...errors import JobNotFound, LabelloopError
from ...jobs.launcher import job_folder
from ..promoting.promote import withdraw_promotion
from ..services import Services

__all__ = ["clean_up_after", "reap_dead", "recover", "sweep_folders"]

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""How long a failed job can be resumed from what it left."""


def reap_dead(services: Services) -> list[Job]:
    """Recover every running job whose process has ended or has given no sign of life for too long.

    Returns:
        These jobs, as they are now.
    """
    silent = {job.id for job in services.database.jobs.stale(services.options.job_heartbeat_timeout_s)}
    recovered = []
    for job in services.database.jobs.running():
        if services.launcher.is_gone(job):
            recovered.append(recover(services, job, f"its process {job.pid} is gone"))
        elif job.id in silent:
            # One that hangs and wakes up later must find itself replaced, or better, not wake up.
            services.launcher.kill(job)
            recovered.append(recover(services, job, f"no sign of life since {job.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"))
    return recovered


def recover(services: Services, job: Job, reason: str, *, otherwise: JobState = JobState.ABANDONED) -> Job:
    """Queue a running job whose process is gone for its next attempt, or end it; return it as it is then.

    Where another process has done that already, nothing changes.

    Args:
        reason: what is known of the death.
        otherwise: the state of the job where too many of its processes have died in a row.
    """
    jobs = services.database.jobs
    current = jobs.get(job.id)
    if current.attempt != job.attempt or current.state is not JobState.RUNNING:
        return current
    reason = f"{reason}, while {current.stage!r}"
    if current.cancel_requested:
        is_over = jobs.finish(current, JobState.CANCELLED, error=f"cancelled; {reason}")
    elif current.deaths + 1 < services.options.job_attempts:
        if jobs.requeue(current, reason):
            log.warning("job %s goes on with attempt %s: %s", job.id, current.attempt + 1, reason)
        is_over = False
    else:
        logs = f"its output: `labelloop jobs logs {job.id}`; `labelloop jobs resume {job.id}` tries again"
        count = f"death {current.deaths + 1} of {services.options.job_attempts} without progress, so the job is over"
        is_over = jobs.finish(current, otherwise, error=f"{reason}; {count}; {logs}")
    current = jobs.get(job.id)
    if is_over:
        log.warning("job %s is %s: %s", job.id, current.state, current.error)
        clean_up_after(services, current)
    return current


def clean_up_after(services: Services, job: Job) -> None:
    """Remove what a job that is over has left half-done; what it can be resumed from stays where it is resumable.

    While MLflow or Label Studio is away, the rest is left for `sweep_folders`.
    """
    try:
        run_id = job.checkpoint.get("run_id")
        if run_id and job.state is not JobState.SUCCEEDED:
            services.tracker.close(run_id, was_cancelled=job.state is JobState.CANCELLED)
        if job.state is JobState.CANCELLED:
            withdraw_promotion(services, job)
    except LabelloopError as error:
        log.warning("what job %s left behind is cleared up later: %s", job.id, error)
        return
    if not job.state.is_resumable:
        shutil.rmtree(job_folder(services.options.home, job.id), ignore_errors=True)


def sweep_folders(services: Services) -> None:
    """Clean up after jobs that ended while no worker ran, and after failures that nobody resumed for a week."""
    for folder in (services.options.home / "jobs").glob("*/"):
        try:
            job = services.database.jobs.get(int(folder.name))
        except (ValueError, JobNotFound):
            continue  # not ours, or of another database
        if not job.state.is_over:
            continue
        if not job.state.is_resumable:
            clean_up_after(services, job)
        elif job.finished_at and services.clock() - job.finished_at > KEPT_FOR:
            shutil.rmtree(folder, ignore_errors=True)
