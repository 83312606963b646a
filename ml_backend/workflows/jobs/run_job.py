"""A job from claim to end, inside the process that was started for it."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from ...domain.job import Job, JobState
from ...errors import DatabaseUnavailable, JobCancelled, JobError, JobLost, LabelloopError
from ...jobs.launcher import job_folder
from ..services import Services
from .context import JobContext
from .kinds.base import JobKind
from .recovery import JobRecovery
from .retries import with_retries

__all__ = ["run_job"]

log = logging.getLogger(__name__)

FINISH_WITHIN_S = 300.0


# Hours of work must not be lost to a database that is away for some minutes.
_until_written = retry(
    retry=retry_if_exception_type(DatabaseUnavailable),
    wait=wait_exponential(max=15),
    stop=stop_after_delay(FINISH_WITHIN_S),
    reraise=True,
)


def run_job(
    services: Services,
    job_id: int,
    interrupt: Callable[[], None] | None = None,
    *,
    heartbeat_s: float = JobContext.HEARTBEAT_S,
) -> JobState:
    """Run a job that was claimed, and record how it ended; returns its final state.

    Args:
        interrupt: makes this thread raise Interrupted, wherever it is.
        heartbeat_s: seconds between two signs of life, which also bring word of a cancel.

    Raises:
        JobError: the job is not running, so nobody claimed it for this process.
    """
    job = _until_written(services.database.jobs.get)(job_id)
    if job.state is not JobState.RUNNING:
        raise JobError(f"job {job_id} is {job.state}; only a job that a worker or a command has claimed can be run")
    services = _until_written(services.for_project)(job.project_id)
    try:
        folder = job_folder(services.options.home, job_id)
        with JobContext(
            services.database, job, folder, interrupt, heartbeat_s=heartbeat_s, shared=services.shared
        ) as context:
            run = partial(JobKind.of(job)(**job.params).run, services, job, context)
            result = with_retries(run, services.options.jobs.patience_s, context.wait)
    except JobCancelled as cancelled:
        return _finish(services, job, JobState.CANCELLED, error=str(cancelled))
    except JobLost as lost:
        log.error("%s; this process ends without a trace", lost)
        return services.database.jobs.get(job_id).state
    except LabelloopError as error:
        log.error("job %s failed: %s", job_id, error)
        return _finish(services, job, JobState.FAILED, error=str(error), is_passing=error.is_passing)
    except Exception as error:
        # The process's outermost frame: whatever it was belongs in the row, with the traceback in the log.
        log.exception("job %s failed", job_id)
        message = f"{type(error).__name__}: {error}; see `labelloop jobs logs {job_id}`"
        return _finish(services, job, JobState.FAILED, error=message)
    state = _finish(services, job, JobState.SUCCEEDED, result=result)
    _follow_up(services, job)
    return state


@_until_written
def _finish(services: Services, job: Job, state: JobState, **outcome: Any) -> JobState:
    """Record how the attempt ended; returns the job's state, which is another one where somebody else ended it."""
    if not services.database.jobs.finish(job, state, **outcome):
        return services.database.jobs.get(job.id).state
    JobRecovery(services).clean_up_after(services.database.jobs.get(job.id))
    return state


def _follow_up(services: Services, job: Job) -> None:
    try:
        ended = services.database.jobs.get(job.id)  # with its result, by which the kind decides
        JobKind.of(job)(**job.params).follow_up(services, ended)
    except DatabaseUnavailable as error:
        log.warning("no job follows job %s: %s", job.id, error)
