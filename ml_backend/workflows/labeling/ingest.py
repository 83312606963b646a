"""Store the events that Label Studio sends: this writes a few rows and waits for nothing.

Events are hints. They arrive unordered, sometimes twice and sometimes not at all, and somebody may have made them up.
So nothing here starts a job or changes a project's settings: the worker asks Label Studio's API first. The rows of a
snapshot come from the API as well. Events add only facts that the API does not keep.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ...domain.event import AnnotationEvent, EventAction
from ...domain.example import SelectedBy
from ...domain.hint import HintKind
from ...domain.job import Job
from ...labelstudio.payloads import AnnotationChange, WebhookMessage
from ..connecting.projects import remember_project
from ..jobs.kinds.train import TrainJob
from ..services import Services

__all__ = ["KNOWN_ACTIONS", "START_TRAINING", "UNCERTAINTY_SAMPLING", "Received", "receive"]

log = logging.getLogger(__name__)

START_TRAINING = "START_TRAINING"
UNCERTAINTY_SAMPLING = "Uncertainty sampling"


@dataclass(frozen=True, slots=True)
class Received:
    """The consequences of an event.

    Attributes:
        new_events: annotation events that were not known before.
        job: the job that it started, or that was under way already.
    """

    action: str
    new_events: int = 0
    job: Job | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer to the event."""
        answer: dict[str, Any] = {"status": "ok", "new_events": self.new_events}
        if self.job is not None:
            answer |= {"job": self.job.id, "state": self.job.state}
        return answer


def receive(services: Services, message: WebhookMessage) -> Received:
    """Store the content of a webhook call, and queue the job of Start Training. A repeated call does no harm.

    Raises:
        LabelConfigError: START_TRAINING for a project whose label config cannot be served.
        ProjectNotFound: START_TRAINING for a project that nobody connected.
    """
    if message.project_id is None:
        log.info("event %s names no project; nothing to do", message.action)
        return Received(message.action)
    if message.action == START_TRAINING:
        if message.project is not None and message.project.label_config:
            remember_project(services, message.project_id, message.project.label_config, title=message.project.title)
        job, _ = TrainJob.by_settings(services, "label-studio").request(services, message.project_id)
        return Received(message.action, job=job)
    handler = _HANDLERS.get(message.action)
    if handler is None:
        log.info("event %s is not one that labelloop acts on", message.action)
        return Received(message.action)
    return handler(services, message, message.project_id)


def _annotated(services: Services, message: WebhookMessage, project_id: int) -> Received:
    action = EventAction.UPDATED if message.action.endswith("UPDATED") else EventAction.CREATED
    is_connected = services.database.projects.find(project_id) is not None
    events = [_event(message, project_id, change, action, is_connected=is_connected) for change in message.annotations]
    return Received(message.action, new_events=services.database.events.add(_suspects(services, project_id, events)))


def _suspects(services: Services, project_id: int, events: list[AnnotationEvent]) -> list[AnnotationEvent]:
    """The events, with SUSPECT where the task stood among the likely label errors when it was answered."""
    flagged = services.database.flags.flagged(project_id, {event.task_id for event in events if event.task_id})
    return [replace(event, selected_by=SelectedBy.SUSPECT) if event.task_id in flagged else event for event in events]


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


def _deleted(services: Services, message: WebhookMessage, project_id: int) -> Received:
    events = [
        AnnotationEvent(project_id=project_id, action=EventAction.DELETED, annotation_id=annotation_id)
        for annotation_id in message.deleted_annotation_ids
    ]
    return Received(message.action, new_events=services.database.events.add(events))


def _hint(kind: HintKind) -> Callable[[Services, WebhookMessage, int], Received]:
    """Return a handler that stores a hint for the worker to ask Label Studio; it ignores projects nobody connected."""

    def remember(services: Services, message: WebhookMessage, project_id: int) -> Received:
        if services.database.projects.find(project_id) is not None:
            services.database.hints.put(project_id, kind)
        return Received(message.action)

    return remember


_HANDLERS: dict[str, Callable[[Services, WebhookMessage, int], Received]] = {
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
