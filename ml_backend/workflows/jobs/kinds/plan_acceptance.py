"""Jobs that work out what certificates take, and what they would cover."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["PlanAcceptanceJob"]


class PlanAcceptanceJob(JobKind, frozen=True):
    """Forecast certificates for many limits at once. It looks at validation rows alone, so it costs nothing.

    Attributes:
        STEP: between two limits.
        LIMITS: the shares of wrong answers that are asked about, rising.
        trigger: who asked: `page`.
        actor: the user who asked.
    """

    STEP: ClassVar[float] = 0.005
    LIMITS: ClassVar = tuple(round(number / 200, 3) for number in range(1, 41))

    name: ClassVar[str] = "plan_acceptance"
    # It only reads, so it may run beside the other work of its project.
    lane: ClassVar[str] = "plan"
    retry_command: ClassVar[str] = "labelloop auto-accept plan --project {project_id}"

    trigger: str
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"plan:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        from ...accepting.certify import Certifier

        project = services.database.projects.get(job.project_id)
        context.report(Progress(0.0, "planning", "the version answers validation rows"))
        plan = asdict(Certifier(services, project).plan(self.LIMITS))
        return {name: value for name, value in plan.items() if name != "in_force"} | {"trigger": self.trigger}
