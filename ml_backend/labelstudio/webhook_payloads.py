"""Read the payloads of the event webhook, with limits, because every member of a project can send it anything.

Label Studio shows the webhook's credentials to all members. So the size of a call is checked before it is parsed, the
length of its lists before their entries are read, and reading stops at the first entry that is wrong.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, FailFast, Field, model_validator

from ..domain.annotation import Annotation, ProjectInfo
from ..errors import PayloadError
from .payloads import AnnotationPayload, Id, Payload, ProjectPayload, object_or_none

__all__ = ["AnnotationChange", "WebhookMessage", "check_event", "parse_webhook"]

MAX_EVENT_COMMAS = 2_000_000
"""400 for each of the at most 5,000 tasks or annotations in one call of Label Studio's. A JSON value of two bytes
becomes an object of fifty bytes or more in memory, and a comma separates any two values. Counting commas takes
milliseconds; those inside texts are counted as well."""
MAX_LISTED = 50_000
"""The most entries in a list, ten times what Label Studio sends."""
MAX_NAME_LENGTH = 64
MAX_VERSION_LENGTH = 255


@dataclass(frozen=True, slots=True)
class AnnotationChange:
    """An annotation that was created or updated.

    Attributes:
        task_id: the annotation's task; the task's data are ignored, since anybody can make them up.
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
        action: Label Studio's name of the action, such as `ANNOTATION_CREATED`; unknown names are accepted.
        project: None where the webhook is set to send no payload.
        annotations: the annotations that were created or updated.
        task_ids: the tasks that were created or deleted.
    """

    action: str
    project: ProjectInfo | None = None
    annotations: tuple[AnnotationChange, ...] = ()
    deleted_annotation_ids: tuple[int, ...] = ()
    task_ids: tuple[int, ...] = ()

    @property
    def project_id(self) -> int | None:
        """The project's id; None where the project is None."""
        return self.project.id if self.project else None


def check_event(body: bytes) -> None:
    """Refuse, before it is parsed, a body that would take far more memory than its size.

    Raises:
        PayloadError: the body holds more values than any call of Label Studio's.
    """
    if (commas := body.count(b",")) > MAX_EVENT_COMMAS:
        raise PayloadError(
            f"webhook: {commas} commas found, at most {MAX_EVENT_COMMAS} wanted; Label Studio sends 5,000 tasks or "
            "annotations per call at most"
        )


def parse_webhook(body: object) -> WebhookMessage:
    """Parse the body of a webhook call into a message.

    Raises:
        PayloadError: the body is not an object, has no action or too many entries, or an annotation, task or project
            in it is invalid; the first invalid one is named.
    """
    envelope = _Envelope.read(body)
    if not envelope.action.startswith(("ANNOTATION", "TASK")):
        return _message(envelope)
    message = _Webhook.read(body)
    task_ids = {task.id for task in message.task}
    is_deletion = message.action.endswith("DELETED")
    return replace(
        _message(message),
        annotations=() if is_deletion else tuple(_change(each, task_ids) for each in message.annotation),
        deleted_annotation_ids=tuple(each.id for each in message.annotations) if is_deletion else (),
        task_ids=tuple(each.id for each in message.tasks),
    )


def _listed(value: object) -> object:
    """Return a list: `ANNOTATION_CREATED` sends one object under the key where `ANNOTATIONS_CREATED` sends a list."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [value]
    if len(value) > MAX_LISTED:
        raise ValueError(f"{len(value)} entries found, at most {MAX_LISTED} wanted")
    return value


def _is_name(text: str) -> bool:
    """True where the database can hold the text as an annotator's name or a time."""
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
    source = "webhook"
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
    return WebhookMessage(envelope.action, envelope.project.value() if envelope.project else None)


def _change(annotation: _Annotation, task_ids: Collection[int]) -> AnnotationChange:
    # An annotation names its task; where it does not, the event's only task is the one.
    only = next(iter(task_ids)) if len(task_ids) == 1 else None
    return AnnotationChange(
        task_id=only if annotation.task is None else annotation.task,
        annotation=annotation.value(),
        prelabel_version=annotation.prelabel_version,
    )
