"""Label Studio's JSON: parsed once, where it enters, into frozen values; unknown keys are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..domain.annotation import Annotation, Prediction, ProjectInfo, Task
from ..domain.example import PrelabelOutcome
from ..errors import PayloadError
from .json_text import read_json
from .prelabel import outcome_by_comparison, outcome_by_origin

__all__ = [
    "AnnotationChange",
    "PredictRequest",
    "SetupRequest",
    "WebhookMessage",
    "parse_predict",
    "parse_project",
    "parse_setup",
    "parse_webhook",
    "predict_response",
    "region_list",
    "task_from_export",
]


@dataclass(frozen=True, slots=True)
class AnnotationChange:
    """An annotation that was created or updated.

    Attributes:
        task: None where the payload does not hold it.
        task_id: the annotation's task, also where the payload does not hold it.
        prelabel_version: model version of the pre-label that the annotation started from; None where there was
            none or the payload does not say.
    """

    task: Task | None
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


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """Body of `/setup`. The access token that Label Studio puts in it is left behind on purpose.

    Attributes:
        hostname: where Label Studio says it is; to be compared, never to be called.
    """

    project_id: int
    label_config: str
    hostname: str
    extra_params: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Body of `/predict`.

    Attributes:
        tasks: in the order of the request; a task without an id has id 0.
    """

    project_id: int
    label_config: str
    tasks: tuple[Task, ...]


def parse_webhook(body: object) -> WebhookMessage:
    """The message that the body of a webhook call holds.

    Raises:
        PayloadError: not an object, no action, or an annotation, task or project that is not what it should be.
    """
    envelope = _parse(_Envelope, body, "webhook")
    if not envelope.action.startswith(("ANNOTATION", "TASK")):
        return _message(envelope)
    message = _parse(_Webhook, body, "webhook")
    tasks = {task.id: task for task in message.task}
    is_deletion = message.action.endswith("DELETED")
    return replace(
        _message(message),
        annotations=() if is_deletion else tuple(_change(each, tasks) for each in message.annotation),
        deleted_annotation_ids=tuple(each.id for each in message.annotations) if is_deletion else (),
        task_ids=tuple(each.id for each in message.tasks),
    )


def parse_setup(body: object) -> SetupRequest:
    """What `/setup` was told.

    Raises:
        PayloadError: not an object, or no project or label config.
    """
    setup = _parse(_Setup, body, "/setup")
    return SetupRequest(setup.project, setup.label_config, setup.hostname or "", setup.extra_params)


def parse_predict(body: object) -> PredictRequest:
    """What `/predict` was asked.

    Raises:
        PayloadError: not an object, no project, or a task without data.
    """
    request = _parse(_Predict, body, "/predict")
    return PredictRequest(request.project, request.label_config, tuple(task.value() for task in request.tasks))


def parse_project(body: object) -> ProjectInfo:
    """A project's settings, from the API's JSON.

    Raises:
        PayloadError: not an object, or no id.
    """
    return _parse(_Project, body, "project").value()


def task_from_export(obj: object) -> Task:
    """A task with its annotations, from an export or from the API.

    Raises:
        PayloadError: not an object, no id, no data, or an annotation that is none.
    """
    return _parse(_ExportedTask, obj, "task").value()


def predict_response(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Body of the answer to `/predict`: one entry per prediction, in order."""
    return {
        "results": [
            {
                "result": region_list(prediction),
                "score": prediction.score,
                "model_version": prediction.model_version,
            }
            for prediction in predictions
        ]
    }


def region_list(prediction: Prediction) -> list[dict[str, Any]]:
    """A prediction's regions as JSON objects."""
    return [dict(region) for region in prediction.result]


def _none_to_empty(value: object) -> object:
    return [] if value is None else value


def _one_or_many(value: object) -> object:
    """`ANNOTATION_CREATED` sends one object where `ANNOTATIONS_CREATED` sends a list, under the same key."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _regions(value: object) -> object:
    """Annotations made over the API may have no result at all, or one with holes in it."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _whole_predictions(value: object) -> object:
    """Default exports list predictions by id alone."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _project_id(value: object) -> object:
    """Label Studio writes `<id>.<time of creation>`."""
    return value.split(".")[0] if isinstance(value, str) else value


def _annotator(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("id", value.get("email"))
    return "unknown" if value is None else str(value)


def _extra_params(value: object) -> object:
    """Label Studio stores them as JSON or as the text that was typed in."""
    if isinstance(value, str):
        try:
            value = read_json(value.encode(errors="surrogatepass"))
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _object_or_none(value: object) -> object:
    return value if isinstance(value, dict) and value else None


Id = Annotated[int, Field(ge=0, lt=2**63)]
ProjectId = Annotated[int, Field(ge=1, lt=2**63)]
"""Label Studio counts from 1; project 0 is labelloop's own, for work on files."""
Regions = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_regions)]


class _Model(BaseModel):
    # hide_input: a message must not repeat tokens or people's texts.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class _Prediction(_Model):
    id: Id | None = None
    result: Regions = ()
    model_version: str | None = None


class _Annotation(_Model):
    id: Id
    task: Id | None = None
    completed_by: Annotated[str, BeforeValidator(_annotator)] = "unknown"
    updated_by: Any = None
    result: Regions = ()
    was_cancelled: bool | None = False
    ground_truth: bool | None = False
    lead_time: Annotated[float, Field(allow_inf_nan=False)] | None = None
    parent_prediction: Id | None = None
    prediction: Annotated[_Prediction | None, BeforeValidator(_object_or_none)] = None
    created_at: str | None = None
    updated_at: str | None = None

    def prelabel(self, others: Sequence[_Prediction] = ()) -> _Prediction | None:
        """The prediction that the annotation started from, where it is at hand.

        The copy inside an annotation is the first one of the project's selected version, which need not be it.
        """
        if self.parent_prediction is None:
            return None
        candidates = (self.prediction, *others) if self.prediction else others
        return next((each for each in candidates if each.id in (None, self.parent_prediction)), None)

    def value(self, others: Sequence[_Prediction] = ()) -> Annotation:
        return Annotation(
            id=self.id,
            annotator=self.completed_by,
            result=self.result,
            was_cancelled=bool(self.was_cancelled),
            ground_truth=bool(self.ground_truth),
            lead_time_s=self.lead_time,
            parent_prediction=self.parent_prediction,
            prelabel=self._outcome(self.prelabel(others)),
            created_at=self.created_at,
            updated_at=self.updated_at,
            was_imported="updated_by" in self.model_fields_set and self.updated_by is None,
        )

    def _outcome(self, prelabel: _Prediction | None) -> PrelabelOutcome:
        if self.parent_prediction is None:
            return PrelabelOutcome.NONE
        if prelabel is not None:
            return outcome_by_comparison(self.result, prelabel.result)
        # "Create Annotations From Predictions" leaves both empty; every save by a person sets updated_by.
        was_copied = self.updated_by is None and self.lead_time is None
        return outcome_by_origin(self.result, was_copied=was_copied)


class _Task(_Model):
    id: Id = 0
    data: dict[str, Any]
    annotations: Annotated[tuple[_Annotation, ...], BeforeValidator(_none_to_empty)] = ()
    predictions: Annotated[tuple[_Prediction, ...], BeforeValidator(_whole_predictions)] = ()

    def value(self) -> Task:
        return Task(self.id, self.data, tuple(annotation.value(self.predictions) for annotation in self.annotations))


class _ExportedTask(_Task):
    id: Id


class _Project(_Model):
    id: ProjectId
    title: str | None = ""
    label_config: str | None = ""
    model_version: str | None = ""
    sampling: str | None = ""
    show_collab_predictions: bool | None = False
    task_number: int | None = 0

    def value(self) -> ProjectInfo:
        return ProjectInfo(
            id=self.id,
            title=self.title or "",
            label_config=self.label_config or "",
            model_version=self.model_version or "",
            sampling=self.sampling or "",
            show_collab_predictions=bool(self.show_collab_predictions),
            task_count=self.task_number or 0,
        )


class _Reference(_Model):
    id: Id


class _Envelope(_Model):
    action: Annotated[str, Field(min_length=1)]
    project: Annotated[_Project | None, BeforeValidator(_object_or_none)] = None


class _Webhook(_Envelope):
    annotation: Annotated[tuple[_Annotation, ...], BeforeValidator(_one_or_many)] = ()
    task: Annotated[tuple[_ExportedTask, ...], BeforeValidator(_one_or_many)] = ()
    annotations: Annotated[tuple[_Reference, ...], BeforeValidator(_one_or_many)] = ()
    tasks: Annotated[tuple[_Reference, ...], BeforeValidator(_one_or_many)] = ()


class _Setup(_Model):
    project: Annotated[ProjectId, BeforeValidator(_project_id)]
    label_config: str = Field(alias="schema")
    hostname: str | None = ""
    extra_params: Annotated[dict[str, Any], BeforeValidator(_extra_params)] = {}


class _Predict(_Model):
    project: Annotated[ProjectId, BeforeValidator(_project_id)]
    label_config: str = ""
    tasks: tuple[_Task, ...]


ModelT = TypeVar("ModelT", bound=_Model)


def _parse(model: type[ModelT], body: object, what: str) -> ModelT:
    if not isinstance(body, Mapping):
        raise PayloadError(
            f"{what}: the body is {_json_type(body)}; wanted the JSON object that Label Studio sends "
            "(Content-Type: application/json)"
        )
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_input=False)
        ]
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise PayloadError(
            f"{what}: not what Label Studio sends: {'; '.join(problems[:3])}{more}; wanted it as version 1.x has it"
        ) from None


def _message(envelope: _Envelope) -> WebhookMessage:
    project = envelope.project.value() if envelope.project else None
    return WebhookMessage(envelope.action, project, project.id if project else None)


def _json_type(body: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a string", type(None): "null or not JSON", bool: "a boolean"}
    return names.get(type(body), "a number" if isinstance(body, int | float) else f"a {type(body).__name__}")


def _change(annotation: _Annotation, tasks: Mapping[int, _ExportedTask]) -> AnnotationChange:
    # Label Studio says which task an annotation is of; one event of one task may leave it to the position.
    task = tasks.get(annotation.task) if annotation.task is not None else None
    if task is None and annotation.task is None and len(tasks) == 1:
        (task,) = tasks.values()
    prelabel = annotation.prelabel()
    return AnnotationChange(
        task=task.value() if task else None,
        task_id=task.id if task else annotation.task,
        annotation=annotation.value(),
        prelabel_version=(prelabel.model_version or None) if prelabel and prelabel.result else None,
    )
