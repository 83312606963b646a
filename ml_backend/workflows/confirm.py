"""Asking Label Studio whether what events claim is true.

Anybody who can read the webhook's credentials may have made an event up, and every member of a project can. So an
event changes nothing by itself: it is remembered, and the worker asks Label Studio's API.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ..domain.event import AnnotationEvent
from ..domain.hint import HintKind
from ..domain.job import Job, JobKind
from ..domain.model import is_cold_start
from ..domain.project import Project
from ..errors import LabelConfigError
from ..snapshots.review import last_change
from .retrain import request_prelabeling
from .services import Services
from .setup import announced_version, remember_project

__all__ = ["confirm_hints", "confirm_labels"]

log = logging.getLogger(__name__)

LABELS_PER_CALL = 200
CALLS_AT_ONCE = 10
"""Calls for one project before the others get their turn."""
FAILED_PUSH_REST = timedelta(minutes=10)
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of Label Studio and of this machine may be apart."""


def confirm_hints(services: Services, project_id: int) -> None:
    """Ask about what events claimed of a project, and do what follows from the answer.

    Raises:
        StudioError: Label Studio cannot be asked now; the hints stay.
    """
    for kind in HintKind:
        hint = services.database.hints.find(project_id, kind)
        if hint is not None and _CONFIRMED_BY[kind](services, services.database.projects.get(project_id)):
            services.database.hints.settle(hint)


def confirm_labels(services: Services, project: Project, wanted: int) -> int:
    """How many labels are new since the last snapshot, by what Label Studio says of those that events told of.

    Each event is asked about once. Where the label is not there, skipped or as it was, it is counted no more.

    Args:
        wanted: no more are asked about than it takes to find so many.

    Raises:
        StudioError: Label Studio cannot be asked now.
    """
    last, events = services.database.snapshots.last(project.id), services.database.events
    after_id, since = (last.last_event_id, last.read_at - CLOCKS_DIFFER) if last else (0, None)
    for _ in range(CALLS_AT_ONCE):
        if events.confirmed_label_count(project.id, after_id) >= wanted:
            break
        asked = events.unconfirmed(project.id, after_id, limit=LABELS_PER_CALL)
        if not asked:
            break
        events.confirm(asked, _new_ones(services, project, asked, since))
    return events.confirmed_label_count(project.id, after_id)


def _new_ones(
    services: Services, project: Project, told: Sequence[AnnotationEvent], since: datetime | None
) -> set[int]:
    """Annotations that Label Studio has on the tasks that events told of, made or changed since then."""
    tasks = services.studio.tasks_by_id(project.id, {event.task_id for event in told if event.task_id is not None})
    new = {
        annotation.id
        for task in tasks
        for annotation in task.annotations
        if not annotation.was_cancelled and (since is None or last_change(annotation) > since)
    }
    if denied := {event.annotation_id for event in told} - new:
        log.warning(
            "project %s: events told of %s new labels that Label Studio does not have as such, annotation %s for one; "
            "they start no training",
            project.id,
            len(denied),
            min(denied),
        )
    return new


def _reread_settings(services: Services, project: Project) -> bool:
    """Remember the project as Label Studio has it. A cold start of another label config has its own pre-labels."""
    info = services.studio.project(project.id)
    try:
        project = remember_project(services, project.id, info.label_config, title=info.title)
    except LabelConfigError as error:
        # Label Studio asks `/setup` next, whose answer its users see; the old config stays until then.
        log.warning("project %s now has a label config that cannot be served: %s", project.id, error)
        return True
    if is_cold_start(announced_version(services, project)):
        services.database.hints.put(project.id, HintKind.TASKS)
    return True


def _push_what_is_missing(services: Services, project: Project) -> bool:
    """Queue a push where unlabeled tasks lack a pre-label; False where another one has to end first.

    Uncertainty sampling passes over tasks without a stored prediction, so new ones get theirs pushed.
    """
    if not services.options.auto_push:
        return True
    if _has_to_wait(services, services.database.jobs.last(JobKind.PRELABEL, project.id)):
        return False
    version = announced_version(services, project)
    # The count may be somewhat too high, and reading the tasks takes longer.
    if services.studio.count_without_prediction(project.id, version) and any(
        True for _ in services.studio.tasks_without_prediction(project.id, version)
    ):
        request_prelabeling(services, project.id, trigger="event")
    return True


def _has_to_wait(services: Services, last: Job | None) -> bool:
    """True beside another push, and for a while after one that failed."""
    if last is None:
        return False
    if last.finished_at is None:
        return True  # it may have read the tasks before the newest came
    return last.state.is_resumable and services.clock() - last.finished_at < FAILED_PUSH_REST


_CONFIRMED_BY: dict[HintKind, Callable[[Services, Project], bool]] = {
    HintKind.SETTINGS: _reread_settings,
    HintKind.TASKS: _push_what_is_missing,
}
