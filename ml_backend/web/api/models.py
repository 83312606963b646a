"""Model versions: all of a project, one of them with what it answered to held-out rows, and two side by side."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...domain.snapshot import Split
from ...errors import ModelNotFound
from ...workflows.viewing.held_out import (
    SnapshotRows,
    answers_in,
    confusions,
    known_control,
    measurement,
    places_behind,
)
from ...workflows.viewing.models import find_version, model_facts, model_rows
from ..call import Call
from .base import Endpoint
from .projects import PROJECT

__all__ = ["MODEL", "HeldOutRow", "ModelTasks", "OneModel", "SomeModels"]

MODEL = f"<int(min=1, max={2**31 - 1}):number>"
ROWS_SHOWN = 20


class ModelFigures(BaseModel):
    """Figures measured on held-out rows; of several controls the means, which have no interval."""

    metric: str
    score: float
    low: float | None = Field(description="Lower end of the 95% interval of the score, by the bootstrap.")
    high: float | None
    accuracy: float | None = Field(description="Share of rows answered exactly right.")
    accuracy_low: float | None = Field(description="Lower end of its 95% interval, Wilson's.")
    accuracy_high: float | None
    rows: int
    is_kept: bool = Field(description="False: an older labelloop made the version and kept no single answers.")


class ModelRow(BaseModel):
    """A version as the list of all shows it."""

    number: int
    version: str
    method: str
    learned_from: str
    made_at: datetime
    is_champion: bool
    labels: int | None = Field(description="Reviewed rows of its snapshot; null where that is not on this machine.")
    seconds: float | None = Field(description="How long its training took; null where no job here made it.")
    size_bytes: int | None = Field(description="Of its files, the base model not included; null: not on this machine.")
    state: str = Field(description="serves, served, kept out, under way, or empty.")
    why: str = Field(description="Why it was promoted or kept out.")
    test: ModelFigures | None = Field(description="Null: not measured on test rows, or by an older labelloop.")
    validation: ModelFigures | None

    def on(self, split: str) -> ModelFigures | None:
        """Return the figures on the rows of a split."""
        found: ModelFigures | None = getattr(self, split)
        return found


class ModelFilter(BaseModel, extra="forbid"):
    """Which versions, and in which order."""

    q: str = Field("", max_length=200, description="Part of the name.")
    method: str = Field("", max_length=16)
    state: Literal["", "serves", "served", "kept out"] = ""
    on: Literal["validation", "test"] = "validation"
    order: Literal["number", "method", "labels", "score", "accuracy", "seconds", "size_bytes"] = "number"
    down: bool = True
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(25, ge=1, le=500)


class ModelList(BaseModel):
    """Some versions, and how many there are."""

    models: list[ModelRow]
    count: int
    page: int
    pages: int
    methods: list[str]
    metric: str = Field(description="That the scores are in; score, where versions have different ones.")
    serving: str


class LabelFigures(BaseModel):
    """How one label came out."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int = Field(description="Rows that people gave this label, or spans.")
    calibration_error: float | None
    missed: int = Field(0, description="Spans that people marked and the version did not.")
    spurious: int = Field(0, description="Spans that the version marked and people did not.")
    wrong_type: int = Field(0, description="Spans with this label that got another one.")
    wrong_boundary: int = Field(0, description="Spans that begin or end elsewhere.")


class HeldOutFigures(BaseModel):
    """Figures of one control's answers to held-out rows."""

    control: str
    controls: list[str]
    split: Split
    splits: list[Split] = Field(description="The splits on which answers were kept.")
    snapshot_id: str
    measured_at: datetime
    kind: str
    metric: str
    score: float
    low: float
    high: float
    rows: int
    left_out: int = Field(description="Further rows, whose answers were not kept.")
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None = None
    has_labels: bool
    unanswered: int
    shortened: int = Field(description="Responses of which the end was not kept.")
    labels: list[LabelFigures]
    calibration: Mapping[str, Any] | None = Field(description="Expected error of confidences, and the bins behind it.")
    part_calibration: Mapping[str, Any] | None
    text: Mapping[str, float] = Field(description="Figures of responses in words.")
    confusions: Mapping[str, Any]


class ModelView(BaseModel):
    """All that is known of a version."""

    model: ModelRow
    facts: Mapping[str, Any]
    held_out: HeldOutFigures | None = Field(description="Null: no answers were kept.")


class ModelAsked(BaseModel, extra="forbid"):
    """Which control, and on which rows."""

    control: str = Field("", max_length=255)
    split: Literal["validation", "test"] | None = None


class RowsAsked(ModelAsked, extra="forbid"):
    """Which rows of those that a version was measured on."""

    said: str | None = Field(None, max_length=2000, description="A label that people gave.")
    answered: str | None = Field(None, max_length=2000, description="A label that the version gave.")
    nothing: Literal["", "said", "answered"] = Field("", description="Who gave no label where the other one gave one.")
    right: bool | None = None
    page: int = Field(1, ge=1, le=100_000)


class HeldOutRow(BaseModel):
    """A task, what people say, and what one version or two answered."""

    task_id: int
    url: str = Field(description="Where Label Studio shows it.")
    text: str = Field(description="Empty where its snapshot is not on this machine.")
    is_shortened: bool
    true: list[str]
    given: list[str]
    confidence: list[float | None]
    score: list[float]


class HeldOutRows(BaseModel):
    """Some rows, and how many there are."""

    rows: list[HeldOutRow]
    has_labels: bool = Field(description="False: answers are drafts, whose scores are ROUGE-L.")
    count: int
    page: int
    pages: int


class SomeModels(Endpoint):
    """List the versions of a project, with what was measured on held-out rows."""

    name = "models"
    path = f"/projects/{PROJECT}/models"

    def answer(self, call: Call, asked: ModelFilter) -> ModelList:
        project = call.services.database.projects.get(call.ids["project_id"])
        every = [ModelRow.model_validate(each) for each in model_rows(call.services, project)]
        found = [
            each
            for each in every
            if asked.q.casefold() in each.version.casefold()
            and asked.method in ("", each.method)
            and asked.state in ("", each.state)
        ]
        found.sort(key=lambda each: _place(each, asked), reverse=asked.down)
        # Those without the figure come last in either order.
        found.sort(key=lambda each: _figure(each, asked) is None)
        start = (asked.page - 1) * asked.size
        metrics = {figures.metric for each in every if (figures := each.on(asked.on)) and figures.is_kept}
        return ModelList(
            models=found[start : start + asked.size],
            count=len(found),
            page=asked.page,
            pages=max(-(-len(found) // asked.size), 1),
            methods=sorted({each.method for each in every}),
            metric=metrics.pop() if len(metrics) == 1 else "score",
            serving=call.services.versions.serving(project),
        )


class OneModel(Endpoint):
    """Show a version: figures per label, confusions, calibration, gates, and how it was made."""

    name = "model"
    path = f"/projects/{PROJECT}/models/{MODEL}"

    def answer(self, call: Call, asked: ModelAsked) -> ModelView:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        version = find_version(services, project, call.ids["number"])
        (row,) = model_rows(services, project, version.number)
        found = measurement(services, project, version.name, Split(asked.split) if asked.split else None)
        splits = [each for each in (Split.TEST, Split.VALIDATION) if row[each] and row[each]["is_kept"]]
        return ModelView(
            model=ModelRow.model_validate(row),
            facts=model_facts(services, project, version),
            held_out=_held_out(found, asked.control, splits) if found else None,
        )


class ModelTasks(Endpoint):
    """List held-out rows by what people say and what the version answered, the most confident answers first.

    This is for people to read. Nothing is trained, chosen or promoted by it.
    """

    name = "model_rows"
    path = f"/projects/{PROJECT}/models/{MODEL}/rows"

    def answer(self, call: Call, asked: RowsAsked) -> HeldOutRows:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        version = find_version(services, project, call.ids["number"])
        found = measurement(services, project, version.name, Split(asked.split) if asked.split else None)
        if found is None:
            raise ModelNotFound(f"no answers of {version.name} to held-out rows were kept")
        answers = answers_in(found["answers"])
        control = known_control(answers, asked.control)
        places = places_behind(
            answers[control],
            true="" if asked.nothing == "said" else asked.said,
            given="" if asked.nothing == "answered" else asked.answered,
            is_right=asked.right,
        )
        rows = SnapshotRows(services, project, found["snapshot_id"], Split(found["split"]))
        start = (asked.page - 1) * ROWS_SHOWN
        shown = rows.shown(control, [answers[control]], places[start : start + ROWS_SHOWN])
        return HeldOutRows(
            rows=[HeldOutRow.model_validate(each) for each in shown],
            has_labels=found["summary"]["controls"][control]["has_labels"],
            count=len(places),
            page=asked.page,
            pages=max(-(-len(places) // ROWS_SHOWN), 1),
        )


def _place(model: ModelRow, asked: ModelFilter) -> Any:
    figure = _figure(model, asked)
    return "" if figure is None and asked.order == "method" else figure or 0


def _figure(model: ModelRow, asked: ModelFilter) -> Any:
    if asked.order in ("score", "accuracy"):
        return getattr(model.on(asked.on), asked.order, None)
    return getattr(model, asked.order)


def _held_out(found: Mapping[str, Any], control: str, splits: Sequence[Split]) -> HeldOutFigures:
    answers = answers_in(found["answers"])
    control = known_control(answers, control)
    summary, figures = found["summary"]["controls"][control], found["figures"][control]
    evaluation, mistakes = figures["evaluation"], figures["mistakes"]
    text = {name: evaluation[name] for name in ("rouge_l", "bleu", "exact") if name in evaluation}
    return HeldOutFigures(
        **summary,
        control=control,
        controls=list(answers),
        split=Split(found["split"]),
        splits=list(splits),
        snapshot_id=found["snapshot_id"],
        measured_at=found["created_at"],
        kind=figures["kind"],
        left_out=found["summary"]["left_out"],
        unanswered=evaluation["unanswered"],
        shortened=figures.get("shortened", 0),
        labels=[
            LabelFigures(**{**each, **mistakes.get(each["label"], {})}) for each in evaluation.get("per_class", ())
        ],
        calibration=evaluation.get("calibration"),
        part_calibration=evaluation.get("part_calibration"),
        text=text,
        confusions=confusions(answers[control]) if summary["has_labels"] else {},
    )
