"""When the list of the tasks to label next is chosen anew."""

import logging
from datetime import timedelta

from ...domain.job import Job, JobState
from ...domain.project import Project
from ..jobs.kinds.select import SelectJob
from ..services import Services

__all__ = ["reselect_if_due"]

log = logging.getLogger(__name__)

LABELED_SHARE = 2 / 3
AGAIN = timedelta(minutes=10)
"""The time after which a list is chosen anew where that failed before."""


def reselect_if_due(services: Services, project: Project) -> Job | None:
    """Request a new list where two thirds of the tasks on the present one are labeled, by events."""
    listed = services.database.selections.listed(project.id)
    if not listed:
        return None
    last = services.database.jobs.last(SelectJob.name, project.id)
    if last is not None and not _is_settled(services, last):
        return None
    labeled = services.database.events.labeled(project.id, [task.task_id for task in listed])
    if len(labeled) < LABELED_SHARE * len(listed):
        return None
    job = SelectJob.refresh(services, project.id, "labels")
    if job is not None:
        log.info("project %s: %s of %s listed tasks are labeled: job %s", project.id, len(labeled), len(listed), job.id)
    return job


def _is_settled(services: Services, job: Job) -> bool:
    """True for a job that succeeded, or that ended without success some time ago."""
    if job.state is JobState.SUCCEEDED:
        return True
    ended_at = job.finished_at or job.created_at
    return job.state.is_over and ended_at is not None and services.clock() - ended_at >= AGAIN
