"""The plan for auto-accept as it was worked out last, and what became of certificates."""

from dataclasses import asdict
from typing import Any

from ...domain.acceptance import KeptCertificate
from ...domain.job import JobState
from ...domain.project import Project
from ...measuring.intervals import exact_interval
from ..accepting.audits import audit_record
from ..accepting.spending import spent_budget
from ..jobs.kinds.plan_acceptance import PlanAcceptanceJob
from ..services import Services

__all__ = ["newest_certificates", "newest_plan"]

CERTIFICATES_SHOWN = 10


def newest_plan(services: Services, project: Project) -> dict[str, Any] | None:
    """Return the newest plan for auto-accept of a project; None before the first.

    Returns:
        What `Certifier.plan` gives, with `made_at`, and `outdated`, why it is no longer about what is served; empty
        where it is. Each forecast also has `expected_wrong`: how many of the tasks that it covers would be wrong by
        validation rows, with the exact 95% interval, and `most_wrong`, as many as the limit allows.
    """
    job = services.database.jobs.last(PlanAcceptanceJob.name, project.id, JobState.SUCCEEDED)
    if job is None or "forecasts" not in job.result:
        return None
    serving, newest = services.versions.serving(project), services.database.snapshots.last(project.id)
    spent, next_share = spent_budget(services, project)
    if job.result["version"] != serving:
        outdated = f"{serving} serves now"
    elif newest is not None and newest.id != job.result["snapshot_id"]:
        outdated = "there is a newer snapshot"
    elif abs(next_share - job.result["next_share"]) > 1e-9:
        outdated = "a try has failed since, so the next one takes more rows"
    else:
        outdated = ""
    forecasts = [each | _expected(each) for each in job.result["forecasts"]]
    fresh = {"spent": spent, "next_share": next_share, "made_at": job.finished_at, "outdated": outdated}
    return {**job.result, **fresh, "forecasts": forecasts}


def _expected(forecast: dict[str, Any]) -> dict[str, Any]:
    tasks, judged, wrong = forecast["tasks"], forecast["judged"], forecast["wrong"]
    low, high = exact_interval(wrong, judged)
    middle = wrong / judged if judged else None
    return {
        "expected_wrong": [tasks * low, None if middle is None else tasks * middle, tasks * high],
        "most_wrong": tasks * forecast["limit"],
    }


def newest_certificates(services: Services, project: Project) -> tuple[list[dict[str, Any]], int]:
    """Return the newest tries for certificates, the newest first, and how many older ones are left out.

    Returns:
        Each as the database keeps it, with its `promise` (empty where it failed), `state` (`in force`, `ended`,
        `refuted` or `failed`), how many answers it has `accepted` that stand, and the `audits` of one in force.
    """
    tries = services.database.certificates.all(project.id)
    serving = services.versions.serving(project)
    found = []
    for each in tries[:CERTIFICATES_SHOWN]:
        state = _state(each, project, serving)
        found.append(
            asdict(each)
            | {
                "promise": each.promise if each.is_certified else "",
                "state": state,
                "accepted": services.database.acceptances.count(each.id) if each.is_certified else 0,
                "audits": audit_record(services, each) if state == "in force" else None,
            }
        )
    return found, len(tries) - len(found)


def _state(certificate: KeptCertificate, project: Project, serving: str) -> str:
    if not certificate.is_certified:
        return "failed"
    if certificate.was_refuted:
        return "refuted"
    holds = certificate.version == serving and certificate.fingerprint == project.label_config_fingerprint
    return "in force" if certificate.ended_at is None and holds else "ended"
