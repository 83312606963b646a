"""What the event webhook is told: bounded before it is read, because every member of a project can send it anything.

The webhook's credentials are shown to all members. So the size of a call is checked before it is parsed, the length of
its lists before what is in them is looked at, and the first entry that is wrong ends the reading.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, FailFast, Field, model_validator

from ..domain.annotation import Annotation, ProjectInfo
from ..errors import PayloadError
from .payloads import AnnotationPayload, Id, Payload, ProjectPayload, object_or_none, parse

__all__ = [
    "AnnotationChange",
    "WebhookMessage",
    "check_event",
    "parse_webhook",
]

MAX_EVENT_COMMAS = 2_000_000
"""400 for each of the 5,000 tasks or annotations that Label Studio tells of per call at most. A JSON value of two bytes
becomes an object of fifty or more in memory, and there is a comma between any two, inside texts as well; counting them
takes milliseconds."""
MAX_LISTED = 50_000
"""Ten times what Label Studio sends."""
MAX_NAME_LENGTH = 64
MAX_VERSION_LENGTH = 255


@dataclass(frozen=True, slots=True)
class AnnotationChange:
    """An annotation that was created or updated.

    Attributes:
        task_id: the annotation's task; its data are left behind, since anybody can write them.
        prelabel_version: model version of the pre-label that the annotation started from; None where there was
            none or the payload does not say.
    """

    task_id: int | None
    annotation: Annotation
    prelabel_version: str | None


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One call of the event webhook, or of Start Training.

    Attributes:
        action: Label Studio's name of it, such as `ANNOTATION_CREATED`; unknown ones pass through.
        project: None where the webhook is set to send no payload.
        annotations: what was created or updated.
        task_ids: tasks that were created or deleted.
    """

    action: str
    project: ProjectInfo | None = None
    project_id: int | None = None
    annotations: tuple[AnnotationChange, ...] = ()
    deleted_annotation_ids: tuple[int, ...] = ()
    task_ids: tuple[int, ...] = ()


def check_event(body: bytes) -> None:
    """Refuse the body of a call that would take far more memory than its size, before it is parsed.

    Raises:
        PayloadError: it holds more values than any call of Label Studio's does.
    """
    if (found := body.count(b",")) > MAX_EVENT_COMMAS:
        raise PayloadError(
            f"webhook: {found} commas found, at most {MAX_EVENT_COMMAS} wanted; Label Studio tells of 5,000 tasks or "
            "annotations per call at most"
        )


def parse_webhook(body: object) -> WebhookMessage:
    """The message that the body of a webhook call holds.

    Raises:
        PayloadError: not an object, no action, too much, or an annotation, task or project that is not what it
            should be; the first such one is named.
    """
    envelope = parse(_Envelope, body, "webhook")
    if not envelope.action.startswith(("ANNOTATION", "TASK")):
        return _message(envelope)
    message = parse(_Webhook, body, "webhook")
    task_ids = {task.id for task in message.task}
    is_deletion = message.action.endswith("DELETED")
    return replace(
        _message(message),
        annotations=() if is_deletion else tuple(_change(each, task_ids) for each in message.annotation),
        deleted_annotation_ids=tuple(each.id for each in message.annotations) if is_deletion else (),
        task_ids=tuple(each.id for each in message.tasks),
    )


def _listed(value: object) -> object:
    """`ANNOTATION_CREATED` sends one object where `ANNOTATIONS_CREATED` sends a list, under the same key."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [value]
    if len(value) > MAX_LISTED:
        raise ValueError(f"{len(value)} entries found, at most {MAX_LISTED} wanted")
    return value


def _is_name(text: str) -> bool:
    """True of what the database holds for an annotator or a time."""
    return len(text) <= MAX_NAME_LENGTH and text.isprintable()


class _Annotation(AnnotationPayload):
    @model_validator(mode="after")
    def _check_names(self) -> "_Annotation":
        if not _is_name(self.completed_by) or not _is_name(self.updated_at or ""):
            raise ValueError(f"completed_by and updated_at have at most {MAX_NAME_LENGTH} printable characters each")
        return self

    @property
    def prelabel_version(self) -> str | None:
        prelabel = self.prelabel()
        version = prelabel.model_version if prelabel and prelabel.result else None
        return version if version and len(version) <= MAX_VERSION_LENGTH and version.isprintable() else None


class _Reference(Payload):
    id: Id


class _Envelope(Payload):
    action: Annotated[str, Field(min_length=1)]
    project: Annotated[ProjectPayload | None, BeforeValidator(object_or_none)] = None


EntryT = TypeVar("EntryT")
Listed = Annotated[tuple[EntryT, ...], FailFast(), BeforeValidator(_listed)]


class _Webhook(_Envelope):
    annotation: Listed[_Annotation] = ()
    task: Listed[_Reference] = ()
    annotations: Listed[_Reference] = ()
    tasks: Listed[_Reference] = ()


def _message(envelope: _Envelope) -> WebhookMessage:
    project = envelope.project.value() if envelope.project else None
    return WebhookMessage(envelope.action, project, project.id if project else None)


def _change(annotation: _Annotation, task_ids: Collection[int]) -> AnnotationChange:
    # Label Studio says which task an annotation is of; one event of one task may leave it to the position.
    only = next(iter(task_ids)) if len(task_ids) == 1 else None
    return AnnotationChange(
        task_id=only if annotation.task is None else annotation.task,
        annotation=annotation.value(),
        prelabel_version=annotation.prelabel_version,
    )
