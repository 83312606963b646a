"""Promoting a version and going back, by the jobs that the command line uses too."""

from collections.abc import Sequence
from typing import Literal

from flask import url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...errors import PromotionError
from ...workflows.jobs.kinds.promote import PromoteJob
from ...workflows.promoting.promote import Promoter
from ...workflows.viewing.models import find_version
from ...workflows.viewing.promotions import promotion_effects
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import StartedJob
from .models import MODEL
from .projects import PROJECT

__all__ = ["PromotionEffects", "RollbackEffects"]

LOSS = (
    "Its pre-labels take the place of those that annotators see now. The latter stay in Label Studio, so that you can "
    "go back; those of versions before are deleted there."
)


class StoredPrelabels(BaseModel):
    """Pre-labels of a version in Label Studio, and what would become of them."""

    version: str
    tasks: int
    fate: Literal["shown", "kept", "deleted"]


class Effects(BaseModel):
    """The changes that a promotion would make."""

    serving: str = Field(description="What serves now.")
    version: str = Field(description="What would serve.")
    stored: Sequence[StoredPrelabels]
    fault: str = Field(description="Why Label Studio could not be asked; empty: it was.")


class Why(BaseModel, extra="forbid"):
    """Why, for the log of promotions."""

    reason: str = Field("", max_length=2000)


class GoodReason(BaseModel, extra="forbid"):
    """Why, in words, since nothing else justifies it."""

    reason: str = Field(max_length=2000, pattern=r"\S")


class PromotionEffects(Endpoint):
    """Show what promoting a version would change in Label Studio."""

    name = "promotion_effects"
    path = f"/projects/{PROJECT}/models/{MODEL}/promote"
    role = Role.ADMIN

    def answer(self, call: Call, asked: NoFields) -> Effects:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        version = find_version(call.services, project, call.ids["number"])
        return Effects.model_validate(promotion_effects(call.services, project, version.name))


class RollbackEffects(Endpoint):
    """Show what going back to the version that served before would change in Label Studio."""

    name = "rollback_effects"
    path = f"/projects/{PROJECT}/rollback"
    role = Role.ADMIN

    def answer(self, call: Call, asked: NoFields) -> Effects:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        version = Promoter(call.services).version_before(project)
        return Effects.model_validate(promotion_effects(call.services, project, version))


class PromoteVersion(Endpoint):
    """Let a version serve, if it beats what serves on the newest test rows; a gate is held, in a job."""

    name = "promote_version"
    path = PromotionEffects.path
    method = "POST"
    role = Role.ADMIN
    subject = "project {project_id}, version {number}"
    words = "Promote if it passes the gate"
    loss = f"Version {{number}} serves if it passes the gate. {LOSS}"

    def answer(self, call: Call, asked: Why) -> StartedJob:
        return _promote(call, asked.reason, is_forced=False)

    def sentence(self, answer: StartedJob) -> str:
        return _said(answer)

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)


class ForceVersion(PromoteVersion):
    """Let a version serve without asking the gate; the reason is kept in the log."""

    name = "force_version"
    path = f"{PromotionEffects.path}/force"
    words = "Promote without the gate"
    loss = ""  # a reason has to be written, and the page with that field says what is lost

    def answer(self, call: Call, asked: GoodReason) -> StartedJob:  # type: ignore[override]  # a reason is required
        return _promote(call, asked.reason, is_forced=True)


class RollBack(Endpoint):
    """Let the version that served before serve again; after the first version, the cold start."""

    name = "roll_back"
    path = RollbackEffects.path
    method = "POST"
    role = Role.ADMIN
    subject = "project {project_id}"
    words = "Go back"
    loss = f"The version that served before serves again. {LOSS}"

    def answer(self, call: Call, asked: Why) -> StartedJob:
        project = call.services.database.projects.get(call.ids["project_id"])
        Promoter(call.services).version_before(project)
        return _requested(call, None, asked.reason or "rolled back on the page", is_forced=True)

    def sentence(self, answer: StartedJob) -> str:
        return _said(answer)

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)


def _promote(call: Call, reason: str, *, is_forced: bool) -> StartedJob:
    project = call.services.database.projects.get(call.ids["project_id"])
    version = find_version(call.services, project, call.ids["number"]).name
    if version == call.services.versions.serving(project):
        raise PromotionError(f"{version} serves already; nothing was changed")
    return _requested(call, version, reason.strip(), is_forced=is_forced)


def _requested(call: Call, version: str | None, reason: str, *, is_forced: bool) -> StartedJob:
    wanted = PromoteJob(version=version, reason=reason, is_forced=is_forced, actor=call.visitor.name)
    job, is_new = wanted.request(call.services, call.ids["project_id"])
    if not is_new and (job.params["version"], job.params["is_forced"]) != (version, is_forced):
        raise PromotionError(f"job {job.id} is promoting already; wait for it to end, then ask again")
    return StartedJob(job=job.id, state=job.state, is_new=is_new)


def _said(answer: StartedJob) -> str:
    return f"Job {answer.job} is {answer.state}{'' if answer.is_new else '; it was asked for before'}."
