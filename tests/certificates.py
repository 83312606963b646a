"""A certificate that was never tried for, and answers that it covers, as the database keeps them."""

from ml_backend.domain.acceptance import Acceptance, KeptCertificate
from tests.fakes import FakeClock

__all__ = ["acceptance_of", "certificate_of"]

REGIONS = ({"from_name": "category", "value": {"choices": ["Ünï"]}},)


def certificate_of(project_id: int) -> KeptCertificate:
    """One that is not stored yet."""
    return KeptCertificate(
        id=0,
        project_id=project_id,
        version="a-7-v1",
        fingerprint="f",
        snapshot_id="s",
        threshold=0.9,
        limit=0.02,
        delta=0.0325,
        rows=200,
        loss=0.0,
        share=0.5,
        audit_share=0.05,
        created_at=FakeClock().now,
    )


def acceptance_of(certificate: KeptCertificate, task_id: int, *, is_audit: bool = False) -> Acceptance:
    """One that is intended, or an open audit."""
    facts = certificate.project_id, certificate.id, task_id, certificate.version
    return Acceptance(*facts, REGIONS, 0.95, is_audit)
