"""Ask Label Studio whether the claims of events are true.

Every member of a project can read the webhook's credentials, so anybody may have made an event up. Therefore an event
changes nothing by itself: it is stored, and the worker asks Label Studio's API.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ...domain.event import AnnotationEvent, HintKind
from ...domain.job import Job
from ...domain.model import ModelVersion
from ...domain.project import Project
from ...errors import LabelConfigError
from ..connecting.projects import announced_version, remember_project
from ..jobs.kinds.prelabel import PrelabelJob
from ..services import Services

__all__ = ["confirm_hints", "confirm_labels"]

log = logging.getLogger(__name__)

LABELS_PER_CALL = 200
CALLS_AT_ONCE = 10
"""The most calls for one project before the others get their turn."""
FAILED_PUSH_REST = timedelta(minutes=10)
CLOCKS_DIFFER = timedelta(minutes=1)
"""The greatest accepted difference between the clocks of Label Studio and this machine."""


def confirm_hints(services: Services, project_id: int) -> None:
    """Ask Label Studio about the hints of a project, and act on the answers.

    Raises:
        StudioError: Label Studio cannot be asked now; the hints are kept.
    """
    for kind in HintKind:
        claimed_at = services.database.hints.find(project_id, kind)
        if claimed_at is not None and _CONFIRMED_BY[kind](services, services.database.projects.get(project_id)):
            services.database.hints.settle(project_id, kind, claimed_at)


def confirm_labels(services: Services, project: Project, wanted: int) -> int:
    """Count the labels that are new since the last snapshot, as Label Studio confirms those that events reported.

    Label Studio is asked once about each event. A label that does not exist, is skipped or is unchanged does not count.

    Args:
        wanted: the number of new labels at which asking stops.

    Raises:
        StudioError: Label Studio cannot be asked now.
    """
    last, events = services.database.snapshots.last(project.id), services.database.events
    after_id, since = (last.last_event_id, last.read_at - CLOCKS_DIFFER) if last else (0, None)
    for _ in range(CALLS_AT_ONCE):
        if events.confirmed_label_count(project.id, after_id) >= wanted:
            break
        batch = events.unconfirmed(project.id, after_id, limit=LABELS_PER_CALL)
        if not batch:
            break
        events.confirm(batch, _new_ones(services, project, batch, since))
    return events.confirmed_label_count(project.id, after_id)


def _new_ones(
    services: Services, project: Project, reported: Sequence[AnnotationEvent], since: datetime | None
) -> set[int]:
    """Return the annotations that Label Studio has on the events' tasks, made or changed since a moment."""
    tasks = services.studio.tasks_by_id(project.id, {event.task_id for event in reported if event.task_id is not None})
    new = {
        annotation.id
        for task in tasks
        for annotation in task.annotations
        if not annotation.was_cancelled and (since is None or annotation.last_change > since)
    }
    if denied := {event.annotation_id for event in reported} - new:
        log.warning(
            "project %s: events reported %s new labels that Label Studio does not confirm, such as annotation %s; "
            "they start no training",
            project.id,
            len(denied),
            min(denied),
        )
    return new


def _reread_settings(services: Services, project: Project) -> bool:
    """Store the project as Label Studio has it. The cold start of a new label config makes other pre-labels."""
    info = services.studio.project(project.id)
    try:
        project = remember_project(services, project.id, info.label_config, title=info.title)
    except LabelConfigError as error:
        # Label Studio calls `/setup` next, whose answer its users see; the old config stays until then.
        log.warning("project %s now has a label config that cannot be served: %s", project.id, error)
        return True
    if ModelVersion.is_cold_start_name(announced_version(services, project)):
        services.database.hints.put(project.id, HintKind.TASKS)
    return True


def _push_what_is_missing(services: Services, project: Project) -> bool:
    """Queue a push where unlabeled tasks lack a pre-label; returns False where another one has to end first.

    Uncertainty sampling skips tasks without a stored prediction, so predictions for new tasks are pushed.
    """
    if not services.options.feedback.auto_push:
        return True
    if _has_to_wait(services, services.database.jobs.last(PrelabelJob.name, project.id)):
        return False
    version = announced_version(services, project)
    # The count is quick but may be slightly too high, so the tasks are read where it is not 0.
    if services.studio.count_without_prediction(project.id, version) and any(
        True for _ in services.studio.tasks_without_prediction(project.id, version)
    ):
        PrelabelJob(trigger="event").request(services, project.id)
    return True


def _has_to_wait(services: Services, last: Job | None) -> bool:
    """True while another push runs, and for a while after one has failed."""
    if last is None:
        return False
    if last.finished_at is None:
        return True  # it may have read the tasks before the newest ones were imported
    return last.state.is_resumable and services.clock() - last.finished_at < FAILED_PUSH_REST


_CONFIRMED_BY: dict[HintKind, Callable[[Services, Project], bool]] = {
    HintKind.SETTINGS: _reread_settings,
    HintKind.TASKS: _push_what_is_missing,
}
