"""Label Studio's JSON: parsed once, where it enters, into frozen values; unknown keys are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError

from ..domain.annotation import Annotation, Prediction, ProjectInfo, Task
from ..domain.example import PrelabelOutcome
from ..domain.project import GREATEST_STUDIO_ID
from ..errors import PayloadError
from .json_text import read_json
from .prelabel import outcome_by_comparison, outcome_by_origin

__all__ = [
    "AnnotationPayload",
    "Id",
    "Payload",
    "PredictRequest",
    "ProjectPayload",
    "SetupRequest",
    "object_or_none",
    "parse",
    "parse_predict",
    "parse_project",
    "parse_setup",
    "predict_response",
    "region_list",
    "task_from_export",
]


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


def parse_setup(body: object) -> SetupRequest:
    """What `/setup` was told.

    Raises:
        PayloadError: not an object, or no project or label config.
    """
    setup = parse(_Setup, body, "/setup")
    return SetupRequest(setup.project, setup.label_config, setup.hostname or "", setup.extra_params)


def parse_predict(body: object) -> PredictRequest:
    """What `/predict` was asked.

    Raises:
        PayloadError: not an object, no project, or a task without data.
    """
    request = parse(_Predict, body, "/predict")
    return PredictRequest(request.project, request.label_config, tuple(task.value() for task in request.tasks))


def parse_project(body: object) -> ProjectInfo:
    """A project's settings, from the API's JSON.

    Raises:
        PayloadError: not an object, or no id.
    """
    return parse(ProjectPayload, body, "project").value()


def task_from_export(obj: object) -> Task:
    """A task with its annotations, from an export or from the API.

    Raises:
        PayloadError: not an object, no id, no data, or an annotation that is none.
    """
    return parse(TaskPayload, obj, "task").value()


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


def object_or_none(value: object) -> object:
    """Validate an optional object: return None where it is empty or not an object."""
    return value if isinstance(value, dict) and value else None


Id = Annotated[int, Field(ge=0, le=GREATEST_STUDIO_ID)]
ProjectId = Annotated[int, Field(ge=1, le=GREATEST_STUDIO_ID)]
"""A project's id. Label Studio counts from 1; labelloop itself uses 0, for work on files."""
Regions = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_regions)]


class Payload(BaseModel):
    """The base of all JSON objects of Label Studio."""

    # hide_input: a message must not repeat tokens or people's texts.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class _Prediction(Payload):
    id: Id | None = None
    result: Regions = ()
    model_version: str | None = None


class AnnotationPayload(Payload):
    """An annotation as exports, the API and events send it."""

    id: Id
    task: Id | None = None
    completed_by: Annotated[str, BeforeValidator(_annotator)] = "unknown"
    updated_by: Any = None
    result: Regions = ()
    was_cancelled: bool | None = False
    ground_truth: bool | None = False
    lead_time: Annotated[float, Field(allow_inf_nan=False)] | None = None
    parent_prediction: Id | None = None
    prediction: Annotated[_Prediction | None, BeforeValidator(object_or_none)] = None
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


class _Task(Payload):
    id: Id = 0
    data: dict[str, Any]
    annotations: Annotated[tuple[AnnotationPayload, ...], FailFast(), BeforeValidator(_none_to_empty)] = ()
    predictions: Annotated[tuple[_Prediction, ...], FailFast(), BeforeValidator(_whole_predictions)] = ()

    def value(self) -> Task:
        return Task(self.id, self.data, tuple(annotation.value(self.predictions) for annotation in self.annotations))


class TaskPayload(_Task):
    id: Id


class ProjectPayload(Payload):
    """A project as the API and events send it."""

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


class _Setup(Payload):
    project: Annotated[ProjectId, BeforeValidator(_project_id)]
    label_config: str = Field(alias="schema")
    hostname: str | None = ""
    extra_params: Annotated[dict[str, Any], BeforeValidator(_extra_params)] = {}


class _Predict(Payload):
    project: Annotated[ProjectId, BeforeValidator(_project_id)]
    label_config: str = ""
    tasks: Annotated[tuple[_Task, ...], FailFast()]


ModelT = TypeVar("ModelT", bound=Payload)


def parse(model: type[ModelT], body: object, what: str) -> ModelT:
    """Parse the body into the model.

    Raises:
        PayloadError: the body does not fit the model; the message begins with `what`.
    """
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


def _json_type(body: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a string", type(None): "null or not JSON", bool: "a boolean"}
    return names.get(type(body), "a number" if isinstance(body, int | float) else f"a {type(body).__name__}")
