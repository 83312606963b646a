"""The quality of people's labels: flags, disagreements, annotators, and deciding on a flag."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...domain.access import Role
from ...workflows.auditing.decisions import confirm_flag
from ...workflows.jobs.kinds.audit import AuditJob
from ...workflows.viewing.labels import (
    annotator_figures,
    disagreements,
    flag_precision,
    newest_audit,
    review_tabs,
    suspects,
)
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import JobView, StartedJob, StartsJob
from .loop import MeasuredShare, active_job
from .projects import PROJECT

__all__ = ["LabelsOfProject"]

FLAG = "<int(min=1, max=2147483647):flag_id>"
MOST_PAGES = 100_000


class FlagPrecision(BaseModel):
    """How often flags were right: people changed the label."""

    name: str = Field(description="Of the kind, label or annotator; empty for tasks that nothing was wrong with.")
    open: int
    decided: int
    right: int
    share: tuple[float, float | None, float] = Field(description="Low, middle and high, exact 95%.")
    is_silenced: bool = Field(False, description="Such flags are surely right too seldom, so none is added any more.")


class Suspect(BaseModel):
    """A task in the tab of likely label errors."""

    flag: int
    task_id: int
    control: str
    kind: str
    quality: float = Field(description="Low is suspect.")
    given: str
    suggested: str = Field(description="Empty where nothing is suggested.")
    text: str = Field(description="Its beginning; empty where the newest snapshot lacks it.")
    flagged_at: datetime


class DisputedAnswer(BaseModel):
    """An answer, with how many annotators gave it."""

    answer: str
    annotators: int


class LabelDispute(BaseModel):
    """A task that annotators answered differently."""

    task_id: int
    control: str
    answers: list[DisputedAnswer]
    consensus: str = Field(description="What is most likely right; empty for held-out tasks.")
    text: str


class AnnotatorFigures(BaseModel):
    """The work of an annotator."""

    annotator: str
    labels: int
    median_s: float | None = Field(description="Median of seconds per label, without breaks.")
    timed: int = Field(description="Labels whose time was measured.")
    accepted: MeasuredShare | None = Field(description="Of the pre-labels that they saw, those left unchanged.")
    agreement: MeasuredShare | None = Field(description="How often others gave the same answer, by the newest report.")
    quality: float | None = Field(description="How often they are likely right, by the newest audit.")


class NewestAudit(BaseModel):
    """The newest audit on this machine."""

    stored_at: datetime
    snapshot_id: str
    rows: int
    health: float | None = Field(description="Estimated share of the labels that are right.")
    probabilities_from: str
    classes: list[Mapping[str, Any]]
    warnings: list[str]


class LabelsView(BaseModel):
    """The quality of people's labels."""

    audit: NewestAudit | None
    job: JobView | None = Field(description="The audit that runs or waits now.")
    tabs: Mapping[str, str] = Field(description="Addresses in Label Studio by title, as the last push made them.")
    kinds: list[FlagPrecision]
    labels: list[FlagPrecision]
    annotators: list[FlagPrecision]
    suspects: list[Suspect]
    suspect_count: int
    disputes: list[LabelDispute]
    dispute_count: int
    people: list[AnnotatorFigures]
    left_out_events: int = Field(description="Older events that the figures of people do without.")


class LabelPages(BaseModel, extra="forbid"):
    """Which page of each list."""

    suspects: int = Field(1, ge=1, le=MOST_PAGES)
    disputes: int = Field(1, ge=1, le=MOST_PAGES)
    size: int = Field(25, ge=1, le=200)


class WantedAudit(BaseModel, extra="forbid"):
    """The wishes for an audit."""

    push: bool = Field(False, description="Show the findings in Label Studio.")


class DecidedFlag(BaseModel):
    """A flag that somebody has decided on."""

    flag: int
    task_id: int


class LabelsOfProject(Endpoint):
    """Show likely label errors, how often such flags were right, disagreements, and what annotators did."""

    name = "labels"
    path = f"/projects/{PROJECT}/labels"

    def answer(self, call: Call, asked: LabelPages) -> LabelsView:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        audit, precision = newest_audit(services, project), flag_precision(services, project)
        found, suspect_count = suspects(services, project, (asked.suspects - 1) * asked.size, asked.size)
        disputes, dispute_count = (
            disagreements(services, project, audit, (asked.disputes - 1) * asked.size, asked.size) if audit else ([], 0)
        )
        people, left_out = annotator_figures(services, project, audit)
        job = active_job(services, project, AuditJob.name)
        return LabelsView(
            audit=NewestAudit.model_validate(audit) if audit else None,
            job=JobView.of(job) if job else None,
            tabs=review_tabs(services, project),
            **{name: [FlagPrecision.model_validate(each) for each in rows] for name, rows in precision.items()},
            suspects=[Suspect.model_validate(each) for each in found],
            suspect_count=suspect_count,
            disputes=[LabelDispute.model_validate(each) for each in disputes],
            dispute_count=dispute_count,
            people=[AnnotatorFigures.model_validate(each) for each in people],
            left_out_events=left_out,
        )


class AuditLabels(StartsJob):
    """Audit the project's labels, and show the findings in Label Studio where that is asked for."""

    name = "audit_labels"
    path = f"/projects/{PROJECT}/audit"
    subject = "project {project_id}, push {push}"
    words = "Audit the labels"

    def answer(self, call: Call, asked: WantedAudit) -> StartedJob:
        return self.started(call, AuditJob(trigger="page", actor=call.visitor.name, is_pushed=asked.push))


class KeepLabel(Endpoint):
    """Decide that a flagged label is right. It counts as a flag that was wrong, and the label is left in peace."""

    name = "keep_label"
    path = f"/projects/{PROJECT}/flags/{FLAG}/keep"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, flag {flag_id}"
    words = "Label is right"

    def answer(self, call: Call, asked: NoFields) -> DecidedFlag:
        del asked
        project = call.services.database.projects.get(call.ids["project_id"])
        flag = confirm_flag(call.services, project, call.ids["flag_id"])
        return DecidedFlag(flag=flag.id, task_id=flag.task_id)

    def sentence(self, answer: DecidedFlag) -> str:
        return (
            f"The label of task {answer.task_id} counts as right. Its mark in Label Studio goes with the next push of "
            "flags."
        )
