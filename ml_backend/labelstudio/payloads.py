"""Label Studio's JSON: read once, where it enters, into frozen values; unknown keys are ignored."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError

from ..domain.annotation import Annotation, Prediction, ProjectInfo, Region, Task, region_meaning
from ..domain.example import PrelabelOutcome
from ..domain.project import Project
from ..errors import PayloadError

__all__ = [
    "AnnotationPayload",
    "Id",
    "Payload",
    "PredictRequest",
    "ProjectPayload",
    "SetupRequest",
    "object_or_none",
    "prediction_to_json",
    "project_from_api",
    "task_from_export",
]


def project_from_api(body: object) -> ProjectInfo:
    """Return a project's settings from the API's JSON.

    Raises:
        PayloadError: not an object, or no id.
    """
    return ProjectPayload.read(body).value()


def task_from_export(body: object) -> Task:
    """Return a task with its annotations from an export or from the API.

    Raises:
        PayloadError: not an object, no id, no data, or an annotation that is none.
    """
    return _StoredTask.read(body).value()


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as Label Studio takes it, in an answer to `/predict`, an import or a file of tasks."""
    return {
        "result": [dict(region) for region in prediction.result],
        "score": prediction.score,
        "model_version": prediction.model_version,
    }


def _none_to_empty(value: object) -> object:
    return [] if value is None else value


def _objects(value: object) -> object:
    """Return the objects of a list.

    Annotations made over the API may have no result at all, or one with holes in it, and default exports list
    predictions by id alone.
    """
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _project_id(value: object) -> object:
    """Return the first part of a project's id, which Label Studio writes as `<id>.<time of creation>`."""
    return value.split(".")[0] if isinstance(value, str) else value


def _annotator(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("id", value.get("email"))
    return Annotation.UNKNOWN_ANNOTATOR if value is None else str(value)


def object_or_none(value: object) -> object:
    """Return an optional object, for a validation; None where it is empty or not an object."""
    return value if isinstance(value, dict) and value else None


Id = Annotated[int, Field(ge=0, le=Project.GREATEST_ID)]
ProjectId = Annotated[int, Field(ge=1, le=Project.GREATEST_ID)]
"""A project's id. Label Studio counts from 1; labelloop itself uses 0, for work on files."""
Regions = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_objects)]


class Payload(BaseModel):
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


class _Prediction(Payload):
    id: Id | None = None
    result: Regions = ()
    model_version: str | None = None


class AnnotationPayload(Payload):
    """An annotation as exports, the API and events send it."""

    id: Id
    task: Id | None = None
    completed_by: Annotated[str, BeforeValidator(_annotator)] = Annotation.UNKNOWN_ANNOTATOR
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
            return _outcome_by_comparison(self.result, prelabel.result)
        # "Create Annotations From Predictions" leaves both empty; every save by a person sets updated_by.
        was_copied = self.updated_by is None and self.lead_time is None
        return _outcome_by_origin(self.result, was_copied=was_copied)


class _Task(Payload):
    id: Id = 0
    data: dict[str, Any]
    annotations: Annotated[tuple[AnnotationPayload, ...], FailFast(), BeforeValidator(_none_to_empty)] = ()
    predictions: Annotated[tuple[_Prediction, ...], FailFast(), BeforeValidator(_objects)] = ()

    def value(self) -> Task:
        return Task(self.id, self.data, tuple(annotation.value(self.predictions) for annotation in self.annotations))


class _StoredTask(_Task):
    source = "task"
    id: Id


class ProjectPayload(Payload):
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


class SetupRequest(Payload):
    """Body of `/setup`. The access token that Label Studio puts in it is left behind on purpose."""

    source = "/setup"
    project_id: Annotated[ProjectId, BeforeValidator(_project_id)] = Field(alias="project")
    label_config: str = Field(alias="schema")


class PredictRequest(Payload):
    """Body of `/predict`."""

    source = "/predict"
    project_id: Annotated[ProjectId, BeforeValidator(_project_id)] = Field(alias="project")
    label_config: str = ""
    listed: Annotated[tuple[_Task, ...], FailFast()] = Field(alias="tasks")

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks in the order of the request; a task without an id has id 0."""
        return tuple(task.value() for task in self.listed)


def _outcome_by_comparison(result: Sequence[Region], prelabel: Sequence[Region]) -> PrelabelOutcome:
    """Return what became of a pre-label, by comparing it with the annotation's result.

    Only the meaning of regions counts (see `region_meaning`), and neither their order nor controls that the pre-label
    does not answer, such as a comment box beside the labels.
    """
    if not prelabel:
        return PrelabelOutcome.NONE
    controls = {_control_name(region) for region in prelabel}
    answered = [region for region in result if _control_name(region) in controls]
    is_same = Counter(map(region_meaning, answered)) == Counter(map(region_meaning, prelabel))
    return PrelabelOutcome.ACCEPTED if is_same else PrelabelOutcome.CHANGED


def _outcome_by_origin(result: Sequence[Region], *, was_copied: bool) -> PrelabelOutcome:
    """Return the outcome where an annotation started from a pre-label that is not at hand.

    The editor marks each region: `prediction` (untouched), `prediction-changed` or `manual`. A region that was deleted
    leaves no mark. Regions of controls that the pre-label left no mark on do not count.

    Args:
        was_copied: Label Studio made the annotation from the prediction by itself, without the editor.
    """
    origins = [(_control_name(region), str(region.get("origin") or "")) for region in result]
    if was_copied and not any(origin for _, origin in origins):
        return PrelabelOutcome.ACCEPTED
    controls = {name for name, origin in origins if origin in ("prediction", "prediction-changed")}
    marks = {origin for name, origin in origins if name in controls}
    return PrelabelOutcome.ACCEPTED if marks == {"prediction"} else PrelabelOutcome.CHANGED


def _control_name(region: Region) -> str:
    """Return the name of the control, which is text unless somebody made the payload up."""
    return str(region.get("from_name"))


def _json_type(body: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a string", type(None): "null or not JSON", bool: "a boolean"}
    return names.get(type(body), "a number" if isinstance(body, int | float) else f"a {type(body).__name__}")
