"""Jobs that make a project's report, with the forecast of what more labels buy."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ...reporting.files import ReportFiles
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["ReportJob"]

KEPT = ("control", "metric", "labels_now", "score_now", "points", "lead", "band", "forecast", "next", "notes")
WORDS = ("forecast_words", "next_words")


class ReportJob(JobKind, frozen=True):
    """Say what labels have cost, what they bought, and what a target still costs, and keep that for the page.

    The learning curves are in the job's result, and the whole report in its folder.

    Attributes:
        trigger: who asked: `page`.
        actor: the user who asked.
        target: F1 that is wanted; None: the next step from what is reached.
    """

    name: ClassVar[str] = "report"
    # It only reads, so it may run beside the other work of its project.
    lane: ClassVar[str] = "report"
    retry_command: ClassVar[str] = "labelloop report --project {project_id}"

    trigger: str
    actor: str = ""
    target: float | None = None

    def dedupe_key(self, project_id: int) -> str:
        return f"report:{project_id}:{'' if self.target is None else self.target}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        from ...reporting.report import report_on_project, write_report

        project = services.database.projects.get(job.project_id)
        report = report_on_project(services, project, target=self.target, report=context.report)
        files = write_report(report, ReportFiles.of(services, project.ref.key).folder)
        return {
            "made_at": report["made_at"],
            "rows": report["rows"],
            "advice": report["advice"],
            "curves": [{name: control[name] for name in (*KEPT, *WORDS)} for control in report["controls"]],
            "without_curve": report["without_curve"],
            "path": str(files.html),
            "trigger": self.trigger,
        }
