"""When training starts by itself."""

import logging
from datetime import timedelta

from ...domain.job import Job
from ...domain.project import Project
from ..jobs.kinds.train import TrainJob
from ..labeling.confirm import confirm_labels
from ..services import Services

__all__ = ["new_labels", "retrain_if_due"]

log = logging.getLogger(__name__)


def new_labels(services: Services, project: Project) -> int:
    """Count labels made or changed since the last snapshot, by events that Label Studio did not deny."""
    last = services.database.snapshots.last(project.id)
    return services.database.events.new_label_count(project.id, last.last_event_id if last else 0)


def _is_due(services: Services, project: Project) -> bool:
    """True once enough labels seem new, and both the last label and the last training are long enough ago."""
    options, database, now = services.options, services.database, services.clock()
    if not options.retraining.after or new_labels(services, project) < options.retraining.after:
        return False
    newest = database.events.last_received(project.id)
    if newest and newest.received_at and now - newest.received_at < timedelta(seconds=options.retraining.debounce_s):
        return False
    last = database.jobs.last(TrainJob.name, project.id)
    if last is None:
        return True
    since = last.finished_at or last.created_at
    return last.state.is_over and since is not None and now - since >= timedelta(seconds=options.retraining.interval_s)


def retrain_if_due(services: Services, project: Project) -> Job | None:
    """Request training where the project is due and Label Studio confirms that enough labels are new.

    Raises:
        StudioError: Label Studio cannot be asked now.
    """
    wanted = services.options.retraining.after
    if not _is_due(services, project) or confirm_labels(services, project, wanted) < wanted:
        return None
    job, is_new = TrainJob.by_settings(services, "policy").request(services, project.id)
    if is_new:
        log.info("project %s has %s new labels: job %s", project.id, new_labels(services, project), job.id)
    return job if is_new else None
