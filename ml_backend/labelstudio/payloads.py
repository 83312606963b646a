"""Label Studio's JSON: read once, where it enters, into frozen values; unknown keys are ignored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError, model_validator

from ..domain.annotation import Annotation, ProjectInfo, Task
from ..domain.example import PrelabelOutcome
from ..domain.project import Project
from ..errors import PayloadError

__all__ = [
    "AnnotationChange",
    "PredictRequest",
    "SetupRequest",
    "WebhookMessage",
    "check_event",
    "parse_webhook",
    "project_from_api",
    "task_from_export",
]

# Every member of a project can send the webhook anything, since Label Studio shows its credentials to all of them. So
# the size of a call is checked before it is parsed, the length of its lists before their entries are read, and reading
# stops at the first entry that is wrong.
MAX_EVENT_COMMAS = 2_000_000
"""400 for each of the at most 5,000 tasks or annotations in one call. A JSON value of two bytes takes fifty bytes or
more in memory, and a comma separates any two values; those inside texts are counted as well."""
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


def project_from_api(body: object) -> ProjectInfo:
    """Return a project's settings from the API's JSON.

    Raises:
        PayloadError: not an object, or no id.
    """
    return _Project.read(body).value()


def task_from_export(body: object) -> Task:
    """Return a task with its annotations from an export or from the API.

    Raises:
        PayloadError: not an object, no id, no data, or an annotation that is none.
    """
    return _StoredTask.read(body).value()


def _objects(value: object) -> object:
    """Return the objects of a list.

    Annotations made over the API may have no result, or holes in it; default exports list predictions by id alone.
    """
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _project_id(value: object) -> object:
    """Return the first part of a project's id, which Label Studio writes as `<id>.<time of creation>`."""
    return value.split(".")[0] if isinstance(value, str) else value


def _annotator(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("id", value.get("email"))
    return Annotation.UNKNOWN_ANNOTATOR if value is None else str(value)


def _object_or_none(value: object) -> object:
    """Return an optional object, for a validation; None where it is empty or not an object."""
    return value if isinstance(value, dict) and value else None


StudioId = Annotated[int, Field(ge=0, le=Project.GREATEST_ID)]
ProjectId = Annotated[int, Field(ge=1, le=Project.GREATEST_ID)]
"""A project's id. Label Studio counts from 1; labelloop itself uses 0, for work on files."""
Regions = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_objects)]


class _Payload(BaseModel):
    """The base of all JSON objects of Label Studio.

    Attributes:
        source: names the object in messages.
    """

    # hide_input: a message must not repeat tokens or people's texts.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    source: ClassVar[str]

    @classmethod
    def read(cls, body: object) -> Self:
        """Read the JSON value.

        Raises:
            PayloadError: it does not fit; the message begins with `source`.
        """
        if not isinstance(body, Mapping):
            raise PayloadError(
                f"{cls.source}: the body is {_json_type(body)}; wanted the JSON object that Label Studio sends "
                "(Content-Type: application/json)"
            )
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_input=False)
            ]
            more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
            raise PayloadError(
                f"{cls.source}: not what Label Studio sends: {'; '.join(problems[:3])}{more}; wanted it as version "
                "1.x has it"
            ) from None


class _Prediction(_Payload):
    id: StudioId | None = None
    result: Regions = ()
    model_version: str | None = None


class _Annotation(_Payload):
    """An annotation as exports, the API and events send it."""

    id: StudioId
    task: StudioId | None = None
    completed_by: Annotated[str, BeforeValidator(_annotator)] = Annotation.UNKNOWN_ANNOTATOR
    updated_by: Any = None
    result: Regions = ()
    was_cancelled: bool | None = False
    ground_truth: bool | None = False
    lead_time: Annotated[float, Field(allow_inf_nan=False)] | None = None
    parent_prediction: StudioId | None = None
    prediction: Annotated[_Prediction | None, BeforeValidator(_object_or_none)] = None
    created_at: str | None = None
    updated_at: str | None = None

    def prelabel(self, others: Sequence[_Prediction] = ()) -> _Prediction | None:
        """Return the prediction that the annotation started from, where it is at hand.

        The copy inside an annotation is the first one of the project's selected version, which need not be it.
        """
        if self.parent_prediction is None:
            return None
        candidates = (self.prediction, *others) if self.prediction else others
        return next((each for each in candidates if each.id in (None, self.parent_prediction)), None)

    def value(self, others: Sequence[_Prediction] = ()) -> Annotation:
        """Convert to the annotation as the rest of labelloop uses it.

        Args:
            others: predictions of the task, one of which may be the pre-label.
        """
        prelabel = self.prelabel(others)
        outcome = self._outcome(prelabel)
        return Annotation(
            id=self.id,
            annotator=self.completed_by,
            result=self.result,
            was_cancelled=bool(self.was_cancelled),
            ground_truth=bool(self.ground_truth),
            lead_time_s=self.lead_time,
            parent_prediction=self.parent_prediction,
            prelabel=outcome,
            created_at=self.created_at,
            updated_at=self.updated_at,
            was_imported="updated_by" in self.model_fields_set and self.updated_by is None,
            rejected=prelabel.result if prelabel is not None and outcome is PrelabelOutcome.CHANGED else (),
        )

    def _outcome(self, prelabel: _Prediction | None) -> PrelabelOutcome:
        if self.parent_prediction is None:
            return PrelabelOutcome.NONE
        # "Create Annotations From Predictions" leaves both empty; every save by a person sets updated_by.
        was_copied = self.updated_by is None and self.lead_time is None
        regions = None if prelabel is None else prelabel.result
        return Annotation.prelabel_outcome(self.result, regions, was_copied=was_copied)


class _Task(_Payload):
    id: StudioId = 0
    data: dict[str, Any]
    annotations: Annotated[
        tuple[_Annotation, ...], FailFast(), BeforeValidator(lambda value: [] if value is None else value)
    ] = ()
    predictions: Annotated[tuple[_Prediction, ...], FailFast(), BeforeValidator(_objects)] = ()
    file_upload: Any = None
    created_at: Any = None

    def value(self) -> Task:
        annotations = tuple(annotation.value(self.predictions) for annotation in self.annotations)
        return Task(self.id, self.data, annotations, Task.batch_of(self.file_upload, self.created_at))


class _StoredTask(_Task):
    source = "task"
    id: StudioId


class _Project(_Payload):
    """A project as the API and events send it."""

    source = "project"
    id: ProjectId
    title: str | None = ""
    label_config: str | None = ""
    model_version: str | None = ""
    sampling: str | None = ""
    show_collab_predictions: bool | None = False
    task_number: int | None = 0

    def value(self) -> ProjectInfo:
        """Convert to the project's settings as the rest of labelloop uses them."""
        return ProjectInfo(
            id=self.id,
            title=self.title or "",
            label_config=self.label_config or "",
            model_version=self.model_version or "",
            sampling=self.sampling or "",
            show_collab_predictions=bool(self.show_collab_predictions),
            task_count=self.task_number or 0,
        )


class SetupRequest(_Payload):
    """Body of `/setup`. The access token that Label Studio puts in it is left behind on purpose."""

    source = "/setup"
    project_id: Annotated[ProjectId, BeforeValidator(_project_id)] = Field(alias="project")
    label_config: str = Field(alias="schema")
    extra_params: Any = None

    @property
    def has_extra_params(self) -> bool:
        """Whether the body says what they are, as Label Studio's does; it may say that there are none."""
        return "extra_params" in self.model_fields_set


class PredictRequest(_Payload):
    """Body of `/predict`."""

    source = "/predict"
    project_id: Annotated[ProjectId, BeforeValidator(_project_id)] = Field(alias="project")
    label_config: str = ""
    params: Any = None
    listed: Annotated[tuple[_Task, ...], FailFast()] = Field(alias="tasks")

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks in the order of the request; a task without an id has id 0."""
        return tuple(task.value() for task in self.listed)


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


class _WebhookAnnotation(_Annotation):
    @model_validator(mode="after")
    def _check_names(self) -> "_WebhookAnnotation":
        if not _is_name(self.completed_by) or not _is_name(self.updated_at or ""):
            raise ValueError(f"completed_by and updated_at have at most {MAX_NAME_LENGTH} printable characters each")
        return self

    @property
    def prelabel_version(self) -> str | None:
        prelabel = self.prelabel()
        version = prelabel.model_version if prelabel and prelabel.result else None
        return version if version and len(version) <= MAX_VERSION_LENGTH and version.isprintable() else None


class _Reference(_Payload):
    id: StudioId


class _Envelope(_Payload):
    source = "webhook"
    action: Annotated[str, Field(min_length=1)]
    project: Annotated[_Project | None, BeforeValidator(_object_or_none)] = None


EntryT = TypeVar("EntryT")
Listed = Annotated[tuple[EntryT, ...], FailFast(), BeforeValidator(_listed)]


class _Webhook(_Envelope):
    annotation: Listed[_WebhookAnnotation] = ()
    task: Listed[_Reference] = ()
    annotations: Listed[_Reference] = ()
    tasks: Listed[_Reference] = ()


def _message(envelope: _Envelope) -> WebhookMessage:
    return WebhookMessage(envelope.action, envelope.project.value() if envelope.project else None)


def _change(annotation: _WebhookAnnotation, task_ids: Collection[int]) -> AnnotationChange:
    # An annotation names its task; where it does not, the event's only task is the one.
    only = next(iter(task_ids)) if len(task_ids) == 1 else None
    return AnnotationChange(
        task_id=only if annotation.task is None else annotation.task,
        annotation=annotation.value(),
        prelabel_version=annotation.prelabel_version,
    )


def _json_type(body: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a string", type(None): "null or not JSON", bool: "a boolean"}
    return names.get(type(body), "a number" if isinstance(body, int | float) else f"a {type(body).__name__}")
