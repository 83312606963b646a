"""Jobs that audit the labels of a project or of a snapshot."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ....domain.reasons import ReasonCount
from ...auditing.audit import PUSH_STARTS, AuditReports, audit_snapshot
from ...auditing.push_flags import push_audit
from ...services import Services
from ...training.job_snapshot import job_snapshot
from ..context import JobContext
from .base import JobKind

__all__ = ["AuditJob"]


class AuditJob(JobKind, frozen=True):
    """Audit a snapshot, write the reports and, where that is asked for, show the findings in Label Studio.

    Attributes:
        trigger: who asked: `training`, `command` or `page`.
        actor: the user who asked, where that is known.
        is_deep: LoRA is trained anew for every fold, rather than a regression on frozen features.
        is_pushed: the findings are shown in Label Studio.
        snapshot: folder of a snapshot; None: take one of the project first.
    """

    name: ClassVar[str] = "audit"
    # An audit only reads and advises, so it may run beside the other work of its project.
    lane: ClassVar[str] = "audit"

    trigger: str
    is_deep: bool = False
    is_pushed: bool = False
    snapshot: str | None = None
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        # Paths may be longer than a key.
        source = hashlib.sha256(self.snapshot.encode()).hexdigest()[:16] if self.snapshot else str(project_id)
        return ":".join(("audit", source, *["deep"] * self.is_deep, *["push"] * self.is_pushed))

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id) if job.project_id else None
        snapshot = job_snapshot(services, project, self.snapshot, context, is_for_training=False)
        audit = audit_snapshot(services, snapshot, is_deep=self.is_deep, report=context.report)
        reports = AuditReports(services, project, snapshot, audit)
        reports.write()
        pushed = None
        if self.is_pushed and project is not None:
            pushed = push_audit(services, project, audit, snapshot, Progress.share_of(context.report, PUSH_STARTS, 1.0))
            reports.write()  # what people decided about earlier flags has been learned meanwhile
        return {
            "snapshot_id": snapshot.id,
            "path": str(reports.files.folder),
            "rows": audit.rows,
            "seconds": round(audit.seconds, 2),
            "health": audit.health,
            "counts": dict(Counter(issue.kind for issue in audit.issues)),
            "precision": [asdict(entry) for entry in reports.precision()],
            "pushed": asdict(pushed) if pushed else None,
            "reasons": ReasonCount.list_to_json(snapshot.manifest.reasons),
            "trigger": self.trigger,
        }
