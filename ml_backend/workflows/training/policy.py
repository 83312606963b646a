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


def _wanted(services: Services, project: Project) -> int:
    """Return how many new labels start a training: one after an alarm about what serves, if so set; 0: none do."""
    options, database = services.options.retraining, services.database
    if options.on_drift:
        alarms = database.drift_alarms.all(project.id, services.versions.serving(project))
        last = database.jobs.last(TrainJob.name, project.id)
        # A training after it was for this alarm, whoever asked for it.
        if any(last is None or last.created_at is None or alarm.raised_at > last.created_at for alarm in alarms):
            return 1
    return options.after


def _is_due(services: Services, project: Project, wanted: int) -> bool:
    """True once enough labels seem new, and both the last label and the last training are long enough ago."""
    options, database, now = services.options, services.database, services.clock()
    if not wanted or new_labels(services, project) < wanted:
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
    wanted = _wanted(services, project)
    if not _is_due(services, project, wanted) or confirm_labels(services, project, wanted) < wanted:
        return None
    job, is_new = TrainJob.by_settings(services, "policy").request(services, project.id)
    if is_new:
        log.info("project %s has %s new labels: job %s", project.id, new_labels(services, project), job.id)
    return job if is_new else None
