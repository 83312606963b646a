"""A certificate that was never tried for, answers that it covers, and a plan, as the database keeps them."""

from ml_backend.domain.acceptance import Acceptance, KeptCertificate
from ml_backend.domain.job import JobState
from ml_backend.storage.database import Database
from ml_backend.workflows.jobs.kinds.plan_acceptance import PlanAcceptanceJob
from tests.fakes import FakeClock

__all__ = ["acceptance_of", "certificate_of", "store_plan"]

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


def store_plan(database: Database, project_id: int, version: str) -> None:
    """The outcome of a job that has planned for three limits: no way to the first, rows missing, and none missing."""
    forecasts = [
        {"limit": limit, "missing_rows": missing, "rows_needed": 170, "coverage": coverage, "tasks": tasks}
        | {"judged": 200, "wrong": 2}
        for limit, missing, coverage, tasks in ((0.01, None, 0.0, 0), (0.02, 120, 0.4, 400), (0.05, 0, 0.8, 800))
    ]
    plan = {"version": version, "snapshot_id": "s", "validation_rows": 250, "test_rows": 300, "left_out": 3}
    plan |= {"spent": 0.0, "next_share": 0.0325, "unlabeled": 1000, "budget": 0.05, "forecasts": forecasts}
    kind, own = PlanAcceptanceJob.name, {"dedupe_key": "plan", "lane": "plan", "claim": True}
    job, _ = database.jobs.request(kind, project_id, {"trigger": "page"}, **own)
    database.jobs.finish(job, JobState.SUCCEEDED, result=plan)
