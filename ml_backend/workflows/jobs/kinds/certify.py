"""Jobs that try for a certificate."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...accepting.spending import check_certified, spent_sentence
from ...services import Services
from ..context import JobContext
from .accept import AcceptJob
from .base import JobKind

__all__ = ["CertifyJob"]


class CertifyJob(JobKind, frozen=True):
    """Try for a certificate on the blind test rows; what it covers is accepted by a job that follows.

    A try that fails is a job that fails. The same try once more, as by resuming it, costs nothing, and fails as well.

    Attributes:
        trigger: who asked: `page`.
        actor: the user who asked.
        limit: the share of wrong answers that is promised.
        audit_share: the share of answers that people give instead.
    """

    name: ClassVar[str] = "certify"
    lane: ClassVar[str] = "accept"
    retry_command: ClassVar[str] = "labelloop auto-accept plan --project {project_id}"

    trigger: str
    limit: float
    audit_share: float
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"certify:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        from ...accepting.certify import Certifier

        project = services.database.projects.get(job.project_id)
        context.report(Progress(0.0, "certifying", "the version answers the blind rows"))
        tried = Certifier(services, project).certify(self.limit, self.audit_share)
        check_certified(services, project, tried)
        return {
            "certificate": tried.id,
            "promise": tried.promise,
            "spent": spent_sentence(services, project),
            "trigger": self.trigger,
        }

    def follow_up(self, services: Services, job: Job) -> None:
        AcceptJob.request_if_certified(services, job.project_id, self.trigger)
