"""Auto-accept: what certificates take and cover, trying for one, stopping, and taking back what was accepted."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...domain.acceptance import KeptCertificate
from ...domain.access import Role
from ...errors import CertificateError
from ...workflows.accepting.in_force import stop_accepting
from ...workflows.jobs.kinds.certify import CertifyJob
from ...workflows.jobs.kinds.plan_acceptance import PlanAcceptanceJob
from ...workflows.jobs.kinds.undo import UndoJob
from ...workflows.viewing.accepting import newest_certificates, newest_plan
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import JobView, StartedJob, StartsJob
from .loop import active_job
from .projects import PROJECT

__all__ = ["AutoAccept"]

CERTIFICATE = "<int(min=1, max=2147483647):certificate_id>"


class LimitForecast(BaseModel):
    """A forecast of what a certificate for one limit takes and covers."""

    limit: float = Field(description="The share of accepted answers that may be wrong.")
    missing_rows: int | None = Field(description="Blind test rows that are missing for a chance of 80%; null: none do.")
    rows_needed: int = Field(description="Accepted blind test rows that certify it if none of them is wrong.")
    coverage: float = Field(description="The share of answers that would be accepted.")
    tasks: int = Field(description="Unlabeled train tasks that are covered now.")
    expected_wrong: tuple[float, float | None, float] = Field(
        description="Of these tasks, wrong ones by validation rows: low, middle and high, 95%."
    )
    most_wrong: float = Field(description="As many as the limit allows.")


class PlanView(BaseModel):
    """The plan for auto-accept, as it was worked out last."""

    made_at: datetime | None
    outdated: str = Field(description="Why it is no longer about what serves; empty where it is.")
    version: str
    snapshot_id: str
    validation_rows: int
    test_rows: int
    left_out: int = Field(description="Test rows that were not seen being labeled without a hint.")
    unlabeled: int
    spent: float = Field(description="Of the budget of error of all certificates of the project.")
    next_share: float = Field(description="What the next try spends if it fails.")
    budget: float
    forecasts: list[LimitForecast]


class AuditRecord(BaseModel):
    """People's answers to the tasks that they audit."""

    open: int
    answered: int
    wrong: int
    evidence: float = Field(description="That the promise does not hold; 20 ends the certificate.")


class CertificateView(BaseModel):
    """A try for a certificate."""

    id: int
    version: str
    state: str
    limit: float
    promise: str
    rows: int
    loss: float
    audit_share: float
    created_at: datetime
    ended_at: datetime | None
    ending: str
    accepted: int = Field(description="Answers that it accepted and nobody took back.")
    audits: AuditRecord | None


class AcceptanceView(BaseModel):
    """All about auto-accept in a project."""

    plan: PlanView | None
    chosen: LimitForecast | None = Field(description="The forecast for the limit that was asked about.")
    certificates: list[CertificateView]
    older: int = Field(description="Older tries that are not listed.")
    alarm: float = Field(description="Evidence of audits that ends a certificate.")
    jobs: list[JobView] = Field(description="Jobs that plan or certify now.")


class ChosenLimit(BaseModel, extra="forbid"):
    """The limit that a plan is looked at for."""

    limit: float = Field(2.0, gt=0, le=100, description="The share of accepted answers that may be wrong, in percent.")
    audits: float = Field(5.0, ge=1, le=50, description="The share of answers that people give instead, in percent.")


class WantedCertificate(BaseModel, extra="forbid"):
    """A certificate that is tried for."""

    limit: float = Field(ge=KeptCertificate.LEAST_LIMIT, le=KeptCertificate.GREATEST_LIMIT)
    audit_share: float = Field(
        0.05,
        ge=KeptCertificate.LEAST_AUDIT_SHARE,
        le=KeptCertificate.GREATEST_AUDIT_SHARE,
        description="The share of answers that people give instead, without a hint.",
    )


class Stopped(BaseModel):
    """Whether a certificate was in force."""

    was_on: bool


class AutoAccept(Endpoint):
    """Show what certificates take and cover, and what became of those that were tried for."""

    name = "auto_accept"
    path = f"/projects/{PROJECT}/auto-accept"

    def answer(self, call: Call, asked: ChosenLimit) -> AcceptanceView:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        plan = newest_plan(services, project)
        tries, older = newest_certificates(services, project)
        shown = PlanView.model_validate(plan) if plan else None
        jobs = [active_job(services, project, kind.name) for kind in (PlanAcceptanceJob, CertifyJob, UndoJob)]
        return AcceptanceView(
            plan=shown,
            chosen=_nearest(shown, asked.limit / 100) if shown else None,
            certificates=[CertificateView.model_validate(each) for each in tries],
            older=older,
            alarm=KeptCertificate.ALARM,
            jobs=[JobView.of(job) for job in jobs if job is not None],
        )


class PlanAcceptance(StartsJob):
    """Work out what certificates take and cover. It looks at validation rows alone, so it costs nothing."""

    name = "plan_acceptance"
    path = f"/projects/{PROJECT}/auto-accept/plan"
    words = "Work out the plan"

    def answer(self, call: Call, asked: NoFields) -> StartedJob:
        del asked
        return self.started(call, PlanAcceptanceJob(trigger="page", actor=call.visitor.name))


class Certify(StartsJob):
    """Try for a certificate on the blind test rows, and accept what it covers."""

    name = "certify"
    path = f"/projects/{PROJECT}/auto-accept/certify"
    role = Role.ADMIN
    subject = "project {project_id}, wrong at most {limit:.2%}, audits {audit_share:.0%}"
    words = "Certify and accept"
    loss = (
        "If the blind test rows do not certify that at most {limit:.1%} are wrong, the try spends a share of the error "
        "that all certificates of project {project_id} may make, for good, and later tries take more rows. If they do, "
        "covered answers become annotations in Label Studio; these can be taken back."
    )

    def answer(self, call: Call, asked: WantedCertificate) -> StartedJob:
        wanted = asked.model_dump()
        return self.started(call, CertifyJob(trigger="page", actor=call.visitor.name, **wanted))


class StopAccepting(Endpoint):
    """Accept nothing any more; what was accepted stays."""

    name = "stop_accepting"
    path = f"/projects/{PROJECT}/auto-accept/stop"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}"
    words = "Stop accepting"
    loss = "The certificate of project {project_id} ends. What it accepted stays; to go on takes another certificate."

    def answer(self, call: Call, asked: NoFields) -> Stopped:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        return Stopped(was_on=stop_accepting(call.services, project, call.visitor.name))

    def sentence(self, answer: Stopped) -> str:
        return "Nothing is accepted any more." if answer.was_on else "No certificate was in force; nothing was changed."


class UndoAcceptances(StartsJob):
    """Delete the annotations that the version of a certificate accepted and nobody has changed since."""

    name = "undo_acceptances"
    path = f"/projects/{PROJECT}/certificates/{CERTIFICATE}/undo"
    role = Role.ADMIN
    subject = "project {project_id}, certificate {certificate_id}"
    words = "Take back"
    loss = (
        "All annotations that the version of certificate {certificate_id} accepted and nobody has changed since are "
        "deleted in Label Studio, and its certificate ends. The tasks then come to people again."
    )

    def answer(self, call: Call, asked: NoFields) -> StartedJob:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        tries = call.services.database.certificates.all(project.id)
        found = next((each for each in tries if each.id == call.ids["certificate_id"] and each.is_certified), None)
        if found is None:
            number = call.ids["certificate_id"]
            raise CertificateError(
                f"project {project.id} has no certificate {number}; its page lists those that it has"
            )
        return self.started(call, UndoJob(version=found.version))


def _nearest(plan: PlanView, limit: float) -> LimitForecast | None:
    """Return the forecast for the greatest limit that is not above the wanted one, else for the least of all."""
    kept: Any = [each for each in plan.forecasts if each.limit <= limit + 1e-9]
    return kept[-1] if kept else next(iter(plan.forecasts), None)
