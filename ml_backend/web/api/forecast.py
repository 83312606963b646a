"""The newest forecast of what more labels buy."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from ...workflows.viewing.forecasts import newest_forecast
from ..call import Call
from .base import Endpoint, NoFields
from .projects import PROJECT

__all__ = ["CurvePoint", "LabelCurve", "ProjectForecast"]


class CurvePoint(BaseModel):
    """A score at a number of labels, with its interval."""

    labels: int
    low: float
    score: float
    high: float


class TargetForecast(BaseModel):
    """The labels that a target takes; each triple is the least, the likeliest and the most, null where left open."""

    target: float
    labels: Sequence[int | None]
    hours: Sequence[float | None]
    never: float = Field(description="Share of the curves that do not get there with ten times the labels.")


class LabelCurve(BaseModel):
    """The learning curve of a control."""

    control: str
    metric: str
    labels_now: int
    points: list[CurvePoint] = Field(description="Measured, with 95% intervals.")
    lead: Sequence[float] = Field(description="How much better what serves is than the regression that was measured.")
    band: list[CurvePoint] = Field(description="Where it goes, with 90% intervals.")
    forecast: TargetForecast
    forecast_words: str
    next_words: str
    notes: list[str]


class ForecastView(BaseModel):
    """The newest forecast of a project."""

    made_at: str = Field(description="Empty: none was made.")
    rows: int
    curves: list[LabelCurve]
    without_curve: list[Mapping[str, str]]
    job_id: int | None = Field(description="The job that made it.")
    under_way: int | None = Field(description="A job that makes another now.")


class ProjectForecast(Endpoint):
    """Show the newest forecast of what more labels buy."""

    name = "forecast"
    path = f"/projects/{PROJECT}/forecast"

    def answer(self, call: Call, asked: NoFields) -> ForecastView:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        found, under_way = newest_forecast(call.services, project)
        nothing: dict[str, Any] = {"made_at": "", "rows": 0, "curves": [], "without_curve": [], "job_id": None}
        return ForecastView.model_validate({**(found or nothing), "under_way": under_way})
