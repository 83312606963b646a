"""Resume jobs that failed because something was away or busy, after a pause."""

import logging
from datetime import timedelta

from ...domain.job import Job
from ...errors import JobError
from ..services import Services

__all__ = ["resume_where_due"]

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
MOST_ATTEMPTS = 16
COMMAND = "command"
"""The origin of jobs that are not resumed: whoever started the command sees the failure and can start it again."""


def resume_where_due(services: Services) -> list[Job]:
    """Resume jobs that failed for a passing reason and that no command started, each time after a longer pause."""
    return [job for failed in services.database.jobs.failed_in_passing() if (job := _resumed(services, failed))]


def _resumed(services: Services, job: Job) -> Job | None:
    if job.params.get("trigger", COMMAND) == COMMAND or job.attempt >= MOST_ATTEMPTS or job.finished_at is None:
        return None
    if services.clock() - job.finished_at < min(FIRST_PAUSE * 2 ** (job.attempt - 1), LONGEST_PAUSE):
        return None
    try:
        resumed = services.database.jobs.resume(job.id)
    except JobError as error:
        log.info("job %s cannot be resumed now: %s", job.id, error)
        return None
    log.warning(
        "job %s is resumed, attempt %s; it failed for a reason that may be over: %s", job.id, resumed.attempt, job.error
    )
    return resumed
