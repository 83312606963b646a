"""Store the events that Label Studio sends: this writes a few rows and waits for nothing.

Events are hints. They arrive unordered, sometimes twice and sometimes not at all, and somebody may have made them up.
So nothing here starts a job or changes a project's settings: the worker asks Label Studio's API first. The rows of a
snapshot come from the API as well. Events add only facts that the API does not keep.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...domain.event import AnnotationEvent, EventAction, HintKind
from ...domain.example import SelectedBy
from ...labelstudio.payloads import AnnotationChange, WebhookMessage
from ..connecting.projects import remember_project
from ..jobs.kinds.train import TrainJob
from ..services import Services

__all__ = ["KNOWN_ACTIONS", "START_TRAINING", "UNCERTAINTY_SAMPLING", "receive"]

log = logging.getLogger(__name__)

START_TRAINING = "START_TRAINING"
UNCERTAINTY_SAMPLING = "Uncertainty sampling"


def receive(services: Services, message: WebhookMessage) -> dict[str, Any]:
    """Store the content of a webhook call, and queue the job of Start Training; return the answer to the call.

    The answer counts the annotation events that were not known before, and names the job that was started, or that
    was under way already. A repeated call does no harm.

    Raises:
        LabelConfigError: START_TRAINING for a project whose label config cannot be served.
        ProjectNotFound: START_TRAINING for a project that nobody connected.
    """
    answer: dict[str, Any] = {"status": "ok", "new_events": 0}
    if message.project_id is None:
        log.info("event %s names no project; nothing to do", message.action)
    elif message.action == START_TRAINING:
        if message.project is not None and message.project.label_config:
            remember_project(services, message.project_id, message.project.label_config, title=message.project.title)
        asked_for = TrainJob.by_settings(services.for_project(message.project_id), "label-studio")
        job, _ = asked_for.request(services, message.project_id)
        answer |= {"job": job.id, "state": job.state}
    elif (handler := _HANDLERS.get(message.action)) is None:
        log.info("event %s is not one that labelloop acts on", message.action)
    else:
        answer["new_events"] = handler(services, message, message.project_id)
    return answer


def _annotated(services: Services, message: WebhookMessage, project_id: int) -> int:
    action = EventAction.UPDATED if message.action.endswith("UPDATED") else EventAction.CREATED
    is_connected = services.database.projects.find(project_id) is not None
    changes = _by_people(services, message, project_id)
    events = [_event(message, project_id, change, action, is_connected=is_connected) for change in changes]
    return services.database.events.add(_chosen(services, project_id, events))


def _by_people(services: Services, message: WebhookMessage, project_id: int) -> list[AnnotationChange]:
    """The changes, without annotations that labelloop itself made of accepted answers."""
    task_ids = {change.task_id for change in message.annotations if change.task_id}
    acceptances = services.database.acceptances.of_tasks(project_id, task_ids)
    return [
        change
        for change in message.annotations
        if not any(each.covers(change.annotation) for each in acceptances.get(change.task_id or 0, ()))
    ]


def _chosen(services: Services, project_id: int, events: list[AnnotationEvent]) -> list[AnnotationEvent]:
    """The events, with the way in which a task came onto the list of those to label next, if it stands there.

    SUSPECT where it stands among the likely label errors.
    """
    task_ids = {event.task_id for event in events if event.task_id}
    flagged = dict.fromkeys(services.database.flags.flagged(project_id, task_ids), SelectedBy.SUSPECT)
    ways = {**services.database.selections.ways(project_id, task_ids), **flagged}
    return [replace(event, selected_by=ways.get(event.task_id or 0, event.selected_by)) for event in events]


def _event(
    message: WebhookMessage, project_id: int, change: AnnotationChange, action: EventAction, *, is_connected: bool
) -> AnnotationEvent:
    event = AnnotationEvent.of(change.annotation, project_id, action, task_id=change.task_id)
    return replace(
        event, model_version=change.prelabel_version, selected_by=_selected_by(message), is_blind=is_connected
    )


def _selected_by(message: WebhookMessage) -> SelectedBy:
    """Return ACTIVE where the model's scores chose the task, unless it is held out, as its score is random then."""
    is_uncertain = message.project is not None and message.project.sampling == UNCERTAINTY_SAMPLING
    return SelectedBy.ACTIVE if is_uncertain else SelectedBy.RANDOM


def _deleted(services: Services, message: WebhookMessage, project_id: int) -> int:
    ids = message.deleted_annotation_ids
    accepted = services.database.acceptances.annotations(project_id, ids)
    untouched = accepted - services.database.events.last_changes(project_id, sorted(accepted)).keys()
    events = [
        AnnotationEvent(project_id=project_id, action=EventAction.DELETED, annotation_id=annotation_id)
        for annotation_id in ids
        if annotation_id not in untouched
    ]
    return services.database.events.add(events)


def _hint(kind: HintKind) -> Callable[[Services, WebhookMessage, int], int]:
    """Return a handler that stores a hint for the worker to ask Label Studio; it ignores projects nobody connected."""

    def remember(services: Services, _message: WebhookMessage, project_id: int) -> int:
        if services.database.projects.find(project_id) is not None:
            services.database.hints.put(project_id, kind)
        return 0

    return remember


_HANDLERS: dict[str, Callable[[Services, WebhookMessage, int], int]] = {
    "ANNOTATION_CREATED": _annotated,
    "ANNOTATION_UPDATED": _annotated,
    "ANNOTATIONS_CREATED": _annotated,
    "ANNOTATIONS_UPDATED": _annotated,
    "ANNOTATIONS_DELETED": _deleted,
    "ANNOTATION_DELETED": _deleted,
    "TASKS_CREATED": _hint(HintKind.TASKS),
    "TASK_CREATED": _hint(HintKind.TASKS),
    "PROJECT_UPDATED": _hint(HintKind.SETTINGS),
}

KNOWN_ACTIONS = frozenset(_HANDLERS) | {START_TRAINING}
