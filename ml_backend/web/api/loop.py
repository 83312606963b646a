"""The worth of a project's loop: pre-labels, live accuracy, drift, costs, and the report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ...domain.job import Job
from ...domain.project import Project
from ...workflows.jobs.kinds.report import ReportJob
from ...workflows.reporting.files import ReportFiles
from ...workflows.reporting.unfit import unfit_by_week
from ...workflows.services import Services
from ...workflows.stored_results import stored_result
from ...workflows.viewing.loop import drift_tests, prelabel_figures
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import JobView, StartedJob, StartsJob
from .projects import PROJECT

__all__ = ["LoopOfProject", "MeasuredShare", "active_job"]


class MeasuredShare(BaseModel):
    """A share with its 95% interval."""

    rows: int = Field(description="Observations.")
    share: float
    low: float
    high: float


class ShareOfWeek(MeasuredShare):
    """A share of the observations of a week, or of several with few."""

    monday: str = Field(description="The Monday from which it counts.")


class ServedVersion(BaseModel):
    """A version that served, by what people said of its answers."""

    version: str
    since: datetime
    tested: MeasuredShare | None = Field(description="Of its test rows, those that it answers as people did.")
    accuracy: MeasuredShare | None = Field(description="Of blind tasks that were labeled after it was trained.")
    weeks: list[ShareOfWeek] = Field(description="The same, week by week.")
    accepted: MeasuredShare | None = Field(description="Of its pre-labels, those that people left unchanged.")


class PrelabelShares(BaseModel):
    """How often people left pre-labels unchanged."""

    accepted: MeasuredShare | None = Field(description="Of all labels that were ever made from one.")
    versions: list[ServedVersion]
    weeks: list[ShareOfWeek]
    left_out_events: int = Field(description="Older events that versions and weeks do without.")


class DriftTests(BaseModel):
    """The findings of the tests for drift about the version that serves."""

    version: str
    tested: int = Field(description="Test rows that later blind tasks are compared with.")
    seen: int = Field(description="Blind tasks since then.")
    judged: int = Field(description="Those of them that people have answered.")
    alarms: Mapping[str, str] = Field(description="By test, what it has found; empty where it has raised no alarm.")


class WeekOfTexts(BaseModel):
    """The texts of a week."""

    week: str = Field(description="Its Monday.")
    texts: int = Field(description="New texts that were compared with labeled ones.")
    unfit: int = Field(description="Those of them that fitted no label.")


class StoredReport(BaseModel):
    """The newest report, as `labelloop report --json` gives it."""

    stored_at: datetime
    snapshot_id: str
    rows: int
    blind_rows: int
    currency: str
    has_prices: bool
    costs: Mapping[str, Any]
    prelabels: Mapping[str, Any] | None
    rounds: Sequence[Mapping[str, Any]]
    controls: Sequence[Mapping[str, Any]]
    without_curve: Sequence[Mapping[str, Any]]
    unfit: Mapping[str, Any] | None
    baseline: Mapping[str, Any] | None
    advice: Sequence[str]
    warnings: Sequence[str]


class LoopView(BaseModel):
    """The worth of a project's loop."""

    prelabels: PrelabelShares
    drift: DriftTests
    unfit: list[WeekOfTexts]
    report: StoredReport | None
    report_problem: str = Field(description="Why the stored report cannot be shown; empty where it can, or none is.")
    report_job: JobView | None = Field(description="The job that makes another one now.")


class WantedTarget(BaseModel, extra="forbid"):
    """The score that a forecast is about."""

    target: float | None = Field(None, gt=0, le=1, description="F1, such as .9; null: the next step from today.")


class LoopOfProject(Endpoint):
    """Show how pre-labels, live accuracy, drift and new texts are now, and the newest report on costs."""

    name = "loop"
    path = f"/projects/{PROJECT}/loop"

    def answer(self, call: Call, asked: NoFields) -> LoopView:
        del asked
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        report, problem = _stored_report(services, project)
        job = active_job(services, project, ReportJob.name)
        return LoopView(
            prelabels=PrelabelShares.model_validate(prelabel_figures(services, project)),
            drift=DriftTests.model_validate(drift_tests(services, project)),
            unfit=[WeekOfTexts.model_validate(each) for each in unfit_by_week(services, project)],
            report=report,
            report_problem=problem,
            report_job=JobView.of(job) if job else None,
        )


class ComputeReport(StartsJob):
    """Compute a project's report, with the forecast of what a target costs. It takes minutes."""

    name = "compute_report"
    path = f"/projects/{PROJECT}/report"
    words = "Compute the report"

    def answer(self, call: Call, asked: WantedTarget) -> StartedJob:
        return self.started(call, ReportJob(trigger="page", actor=call.visitor.name, target=asked.target))


def active_job(services: Services, project: Project, kind: str) -> Job | None:
    """Return the project's newest job of a kind, if it waits or runs."""
    job = services.database.jobs.last(kind, project.id)
    return job if job is not None and not job.state.is_over else None


def _stored_report(services: Services, project: Project) -> tuple[StoredReport | None, str]:
    found = stored_result(ReportFiles.of(services, project.ref.key).json)
    if found is None:
        return None, ""
    try:
        return StoredReport.model_validate(found), ""
    except ValidationError:
        return None, "The stored report was made by another version of labelloop; compute it anew."
