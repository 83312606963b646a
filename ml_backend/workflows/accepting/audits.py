"""Compare what people answer in audits with what was about to be accepted, and end a certificate that does not hold."""

import logging
from collections.abc import Sequence
from typing import Any

from ...domain.acceptance import Acceptance, KeptCertificate
from ...domain.project import Project
from ...labelstudio.plans import plan_of
from ..exporting.row_source import rows_of_tasks
from ..services import Services
from .certify import given_targets
from .in_force import certificate_in_force

__all__ = ["AuditCheck", "audit_record"]

log = logging.getLogger(__name__)


class AuditCheck:
    """Looks at audits again and again; only events that are new make it ask Label Studio."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen: dict[int, tuple[int, int]] = {}

    def check(self, project: Project) -> None:
        """Take in the answers to audits, and end the project's certificate where they refute it.

        Raises:
            StudioError: Label Studio did not answer or refused; the answers are looked at the next time.
        """
        certificate = certificate_in_force(self._services, project)
        if certificate is None:
            return
        seen = certificate.id, self._services.database.events.last_id(project.id)
        if self._seen.get(project.id) == seen:
            return
        self._take_in(project, _audits(self._services, certificate))
        self._judge(certificate)
        self._seen[project.id] = seen

    def _take_in(self, project: Project, audits: Sequence[Acceptance]) -> None:
        """Store the answers that the review rule lets count."""
        waiting = {each.task_id: each for each in audits if each.answered_at is None}
        labeled = self._services.database.events.labeled(project.id, waiting)
        if not labeled:
            return
        plan = plan_of(project)
        for task_id, row in rows_of_tasks(self._services, project, labeled).items():
            audit = waiting[task_id]
            is_wrong = given_targets(plan, row.text, audit.regions) != row.targets
            answered_at = row.provenance.reviewed_at or self._services.clock().isoformat()
            self._services.database.acceptances.answer(audit, answered_at, is_wrong=is_wrong)

    def _judge(self, certificate: KeptCertificate) -> None:
        """End the certificate where the answers, in the order in which they came, refute it."""
        record = audit_record(self._services, certificate)
        if record["evidence"] < KeptCertificate.ALARM:
            return
        answers = f"people answered {record['wrong']} of {record['answered']} audits otherwise"
        ending = f"{answers}, too many for {certificate.limit:.1%}"
        if self._services.database.certificates.end(certificate, ending, was_refuted=True):
            log.warning("project %s: nothing is accepted any more: %s", certificate.project_id, ending)


def audit_record(services: Services, certificate: KeptCertificate) -> dict[str, Any]:
    """Return what people's answers to audits say about a certificate.

    Returns:
        An object with `open` audits, `answered` ones, those of them that are `wrong`, and the greatest `evidence` so
        far that the promise does not hold, which ends the certificate at `KeptCertificate.ALARM`; 0 without an answer.
    """
    import numpy as np

    from ...measuring.certificates import e_values

    audits = _audits(services, certificate)
    answered = sorted(
        (each.answered_at, each.task_id, bool(each.is_wrong)) for each in audits if each.answered_at is not None
    )
    losses = np.array([is_wrong for _, _, is_wrong in answered], dtype=np.bool_)
    return {
        "open": len(audits) - len(losses),
        "answered": len(losses),
        "wrong": int(losses.sum()),
        "evidence": float(e_values(losses, certificate.limit).max()) if len(losses) else 0.0,
    }


def _audits(services: Services, certificate: KeptCertificate) -> list[Acceptance]:
    """Return all audits of the version that this certificate covers, earlier certificates' as well."""
    audits = services.database.acceptances.audits(certificate.project_id, certificate.version)
    return [each for each in audits if certificate.threshold is not None and each.score >= certificate.threshold]
