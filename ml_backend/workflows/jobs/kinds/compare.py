"""Jobs that measure two versions on the newest test rows, so that people can see them side by side."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...promoting.gate import compare_versions
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["CompareJob"]


class CompareJob(JobKind, frozen=True):
    """Compare two versions as the gate would. No gate is held, and nothing is promoted.

    Attributes:
        champion: the version to compare with.
        drafts: prompts that the base model writes to as well, where responses are written.
        actor: who asked for it.
    """

    name: ClassVar[str] = "compare"
    # It reads, and writes what it measured alone, so it may run beside the other work of its project.
    lane: ClassVar[str] = "compare"
    retry_command: ClassVar[str] = "labelloop models list --project {project_id}"

    champion: str
    challenger: str
    drafts: int = 20
    trigger: str = "page"
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"compare:{project_id}:{self.champion}:{self.challenger}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        del job
        context.report(Progress(0.0, "comparing", f"{self.champion} and {self.challenger} answer the test rows"))
        found = compare_versions(services, self.champion, self.challenger, drafts=self.drafts)
        return {"champion": self.champion, "challenger": self.challenger, "reason": found.decision.reason}
