"""Jobs that write a project's report, with the forecast of what more labels buy."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ...reporting.report import report_on_project, write_report
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["ReportJob"]

KEPT = ("control", "metric", "labels_now", "score_now", "points", "lead", "band", "forecast", "next", "notes")
WORDS = ("forecast_words", "next_words")


class ReportJob(JobKind, frozen=True):
    """Write a project's report, as `labelloop report` does, and keep its learning curves in the job's result.

    Attributes:
        trigger: who asked: `page`.
        actor: the user who asked.
        target: F1 that is wanted; None: the next step from what is reached.
    """

    name: ClassVar[str] = "report"
    # It reads alone, so it may run beside the other work of its project.
    lane: ClassVar[str] = "report"
    retry_command: ClassVar[str] = "labelloop report --project {project_id}"

    trigger: str
    actor: str = ""
    target: float | None = None

    def dedupe_key(self, project_id: int) -> str:
        return f"report:{project_id}:{'' if self.target is None else self.target}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id)
        report = report_on_project(services, project, target=self.target, report=context.report)
        files = write_report(report, services.options.home / "reports" / project.ref.key)
        return {
            "made_at": report["made_at"],
            "rows": report["rows"],
            "curves": [{name: control[name] for name in (*KEPT, *WORDS)} for control in report["controls"]],
            "without_curve": report["without_curve"],
            "path": str(files.html),
            "trigger": self.trigger,
        }
