"""When the list of the tasks to label next is chosen anew."""

import logging

from ...domain.job import Job
from ...domain.project import Project
from ..jobs.kinds.select import SelectJob
from ..services import Services

__all__ = ["reselect_if_due"]

log = logging.getLogger(__name__)

LABELED_SHARE = 2 / 3


def reselect_if_due(services: Services, project: Project) -> Job | None:
    """Request a new list where two thirds of the tasks on the present one are labeled, by events."""
    listed = services.database.selections.listed(project.id)
    if not listed:
        return None
    last = services.database.jobs.last(SelectJob.name, project.id)
    if last is not None and not last.state.is_over:
        return None
    labeled = services.database.events.labeled(project.id, [task.task_id for task in listed])
    if len(labeled) < LABELED_SHARE * len(listed):
        return None
    job = SelectJob.refresh(services, project.id, "labels")
    if job is not None:
        log.info("project %s: %s of %s listed tasks are labeled: job %s", project.id, len(labeled), len(listed), job.id)
    return job
