"""Jobs that promote a version, or roll back to the version before the champion."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.model import ModelVersion, Promotion
from ....domain.project import Project
from ....errors import PromotionError
from ...exporting.snapshots import newest_snapshot
from ...promoting.gate import hold_gate
from ...promoting.promote import Promoter
from ...services import Services
from ..context import JobContext
from .base import JobKind
from .select import SelectJob

__all__ = ["PromoteJob"]


class PromoteJob(JobKind, frozen=True):
    """Promote a version.

    Attributes:
        version: None: the version that served before the champion.
        reason: kept with the promotion.
        is_forced: the gate and hooks are not asked.
        actor: who asked for it.
    """

    name: ClassVar[str] = "promote"

    version: str | None
    reason: str
    is_forced: bool
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"promote:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id)
        promotion = services.database.promotions.of_job(job.id)
        if promotion is None:
            promotion = self._promote(services, job, project, context)
        else:  # an attempt before this one began it
            promotion = Promoter(services).finish(project, promotion, context.report)
        version, previous = promotion.version, promotion.previous
        return {
            "model_version": version,
            "previous": previous,
            "is_cold_start": ModelVersion.is_cold_start_name(version),
        }

    def follow_up(self, services: Services, job: Job) -> None:
        """Request a new list of the tasks to label next."""
        SelectJob.refresh(services, job.project_id, "promotion")

    def _promote(self, services: Services, job: Job, project: Project, context: JobContext) -> Promotion:
        if self.is_forced:
            Promoter(services).abandon(project)
        if self.version is None:
            return Promoter(services).rollback(
                project, reason=self.reason, job_id=job.id, actor=self.actor, report=context.report
            )
        reason = self.reason if self.is_forced else _hold_gate(services, project, self.version, self.reason)
        return Promoter(services).promote(
            project,
            self.version,
            reason=reason,
            is_forced=self.is_forced,
            job_id=job.id,
            actor=self.actor,
            report=context.report,
        )


def _hold_gate(services: Services, project: Project, version: str, reason: str) -> str:
    """Hold the gate now, and return why the version may serve.

    Raises:
        PromotionError: the version did not pass, or there are no test rows to hold a gate on.
    """
    outcome = hold_gate(services, newest_snapshot(services, project), services.versions.get(version), project)
    if outcome is None or not outcome.decision.promote:
        refusal = outcome.decision.reason if outcome else "there are no test rows to hold a gate on"
        raise PromotionError(
            f"{refusal}. `labelloop models promote {version} --force --reason TEXT` promotes all the same"
        )
    return f"{reason}; {outcome.decision.reason}" if reason else outcome.decision.reason
