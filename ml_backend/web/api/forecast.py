"""The forecast of what more labels buy: the newest one, and making another."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...workflows.jobs.kinds.report import ReportJob
from ...workflows.viewing.forecasts import newest_forecast
from ..call import Call
from .base import Endpoint, NoFields
from .projects import PROJECT, StartedJob

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


class WantedTarget(BaseModel, extra="forbid"):
    """The score that is wanted."""

    target: float | None = Field(None, gt=0, le=1, description="F1; null: the next step from what is reached.")


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


class MakeForecast(Endpoint):
    """Write the project's report, with a forecast of the labels that a score takes."""

    name = "make_forecast"
    path = f"/projects/{PROJECT}/forecast"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}"
    words = "Forecast"

    def answer(self, call: Call, asked: WantedTarget) -> StartedJob:
        wanted = ReportJob(trigger="page", actor=call.visitor.name, target=asked.target)
        job, is_new = wanted.request(call.services, call.ids["project_id"])
        return StartedJob(job=job.id, state=job.state, is_new=is_new)

    def sentence(self, answer: StartedJob) -> str:
        return f"Job {answer.job} works out the forecast; it takes about a minute, and then stands on the overview."

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)
