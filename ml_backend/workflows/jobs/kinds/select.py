"""Jobs that choose the tasks to label next, and show them in Label Studio."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...connecting.projects import project_as_it_is
from ...selecting.push_list import push_list
from ...selecting.select import select_from_project
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["SelectJob"]

PUSH_STARTS = 0.7


class SelectJob(JobKind, frozen=True):
    """Choose a project's tasks to label next, and bring the tab in Label Studio up to date.

    Attributes:
        trigger: who asked: `command`, `promotion` or `labels`.
        strategy, count: None: by the settings.
        sources: folder of label sources, for a strategy that asks them; "": by the settings.
    """

    name: ClassVar[str] = "select"
    # It reads, and writes into tasks alone, so it may run beside the other work of its project.
    lane: ClassVar[str] = "select"
    retry_command: ClassVar[str] = "labelloop select --project {project_id} --push"

    trigger: str
    strategy: str | None = None
    count: int | None = None
    sources: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"select:{project_id}:{self.strategy or ''}:{self.count or ''}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = project_as_it_is(services, services.database.projects.get(job.project_id))
        selected = select_from_project(
            services,
            project,
            strategy=self.strategy,
            count=self.count,
            sources=self.sources,
            report=Progress.share_of(context.report, 0.0, PUSH_STARTS),
        )
        pushed = push_list(services, project, selected.tasks, Progress.share_of(context.report, PUSH_STARTS, 1.0))
        return {**selected.to_json(), "pushed": asdict(pushed), "trigger": self.trigger}

    @classmethod
    def refresh(cls, services: Services, project_id: int, trigger: str) -> Job | None:
        """Request that the list be chosen anew where the project has one; None where it has none."""
        if services.database.selections.listed_since(project_id) is None:
            return None
        return cls(trigger=trigger).request(services, project_id)[0]
