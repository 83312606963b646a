"""Projects: what serves them, what waits for people, training, and the connection to Label Studio."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from flask import url_for
from pydantic import BaseModel, ConfigDict, Field

from ...domain.access import Role
from ...domain.model import GateDecision
from ...domain.project import Project
from ...serving.alarms import AlarmKind
from ...workflows.connecting.connect import connect
from ...workflows.doctor.diagnose import diagnose
from ...workflows.doctor.examination import State
from ...workflows.jobs.kinds.train import TrainJob
from ...workflows.promoting.log import promotion_log
from ...workflows.status import ProjectStatus
from ...workflows.viewing.projects import project_summaries, waiting_for_people
from ...workflows.viewing.versions import version_points
from ..call import Call
from .base import Endpoint, NoFields
from .jobs import JobView, StartedJob, StartsJob

__all__ = ["PROJECT", "CheckConnection", "OneProject", "SomeProjects", "StudioProject"]

PROJECT = f"<int(min=1, max={Project.GREATEST_ID}):project_id>"
CONNECT_FIX = "labelloop connect"


class ProjectSummary(BaseModel):
    """A project as the list of all shows it."""

    id: int
    title: str
    serving: str
    new_labels: int = Field(description="Labels since the last snapshot.")
    retrain_after: int = Field(description="New labels at which training starts by itself; 0: never.")
    alarms: list[str]
    running: list[JobView]


class ProjectList(BaseModel):
    """All connected projects, by title, and what is wrong with this backend now."""

    projects: list[ProjectSummary]
    alarms: list[str]


class ProjectFilter(BaseModel, extra="forbid"):
    """Which projects, and in which order."""

    q: str = Field("", max_length=200, description="Part of the title.")
    order: Literal["title", "serving", "new_labels"] = "title"
    down: bool = False


class VersionPoint(BaseModel):
    """A version, by what was measured on validation rows when it was made."""

    version: str
    method: str
    made_at: datetime
    is_champion: bool
    labels: int | None = Field(description="Reviewed rows of its snapshot; null where that is not on this machine.")
    macro_f1: float | None
    accuracy: float | None
    low: float | None = Field(description="Lower end of the 95% interval of the accuracy.")
    high: float | None
    rows: int = Field(description="Validation rows.")


class LogEntry(BaseModel):
    """A promotion of a version, or a refusal."""

    at: datetime
    action: str
    version: str
    previous: str
    by: str
    reason: str
    job_id: int | None


class Waiting(BaseModel):
    """How many tasks wait for people, by why."""

    listed: int = Field(description="In the tab of tasks to label next.")
    suspects: int = Field(description="In the tab of likely label errors.")
    disagreements: int | None = Field(description="Null where the newest snapshot is not on this machine.")
    unfit: int = Field(description="Unlabeled texts that fit no label.")
    compared: int = Field(description="Texts that were compared with labeled ones.")


class ProjectView(BaseModel):
    """All that is to be said of a project."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: int
    title: str
    studio_url: str
    connected_at: datetime
    split: str = Field(description="Shares of train, validation and test.")
    serving: str
    learned_from: str = Field(description="What taught the version that serves, where no label of a person has.")
    new_labels: int
    retrain_after: int
    waiting: Waiting
    prelabels: Mapping[str, int] = Field(description="Annotations by what became of the pre-label.")
    gate: GateDecision | None
    live: str
    alarms: list[str]
    config_changes: list[str]
    certificate: str = Field(description="What the newest certificate promises; empty: there was none.")
    certificate_ending: str
    accepted: int
    versions: list[VersionPoint]
    log: list[LogEntry]
    jobs: list[JobView]


class StudioProject(BaseModel, extra="forbid"):
    """A project of Label Studio."""

    project: int = Field(ge=1, le=Project.GREATEST_ID, description="Its number, as in Label Studio's addresses.")


class Connected(BaseModel):
    """The changes that connecting made, and notices that a person should read."""

    project: int
    changes: list[str]
    notices: list[str]
    job: int | None = Field(description="The job that pushes pre-labels, where tasks lack them.")


class LinkFinding(BaseModel):
    """One link of the chain between Label Studio and the model."""

    model_config = ConfigDict(from_attributes=True)

    check: str
    state: State
    found: str
    fix: str
    is_mended_by_connecting: bool = False


class Findings(BaseModel):
    """All links, in order."""

    findings: list[LinkFinding]


class SomeProjects(Endpoint):
    """List the connected projects."""

    name = "projects"
    path = "/projects"

    def answer(self, call: Call, asked: ProjectFilter) -> ProjectList:
        rows = [
            ProjectSummary(**each | {"running": [JobView.of(job) for job in each["running"]]})
            for each in project_summaries(call.services, asked.q)
        ]
        if asked.order != "title":
            rows.sort(key=lambda row: getattr(row, asked.order), reverse=asked.down)
        elif asked.down:
            rows.reverse()
        return ProjectList(projects=rows, alarms=list(call.services.alarms.sentences()))


class OneProject(Endpoint):
    """Show a project: what serves and how it got there, what waits for people, what labels bought."""

    name = "project"
    path = f"/projects/{PROJECT}"

    def answer(self, call: Call, asked: NoFields) -> ProjectView:
        del asked
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        status = ProjectStatus.of(services, project)
        certificate = status.certificate
        fits = {"unfit": status.unfit, "compared": status.looked_at}
        unreadable = services.alarms.about(AlarmKind.MODEL, project.ref.key)
        return ProjectView(
            id=project.id,
            title=project.title,
            studio_url=f"{services.studio.url}/projects/{project.id}/data",
            connected_at=project.connected_at,
            split=str(project.split),
            serving=status.serving,
            learned_from=status.learned_from,
            new_labels=status.new_labels,
            retrain_after=status.retrain_after,
            waiting=Waiting.model_validate({**waiting_for_people(services, project), **fits}),
            prelabels={outcome.value: count for outcome, count in status.prelabels.items()},
            gate=status.gate,
            live=status.live,
            alarms=[*filter(None, [unreadable]), *(alarm.sentence for alarm in status.alarms)],
            config_changes=list(status.config_changes),
            certificate=certificate.promise if certificate else "",
            certificate_ending=certificate.ending or "" if certificate else "",
            accepted=status.accepted,
            versions=[VersionPoint(**each) for each in version_points(services, project)],
            log=[LogEntry(**each) for each in promotion_log(services, project)],
            jobs=[JobView.of(job) for job in status.jobs],
        )


class StartTraining(StartsJob):
    """Start a training as the settings describe it."""

    name = "train_project"
    path = f"/projects/{PROJECT}/train"
    words = "Start training"

    def answer(self, call: Call, asked: NoFields) -> StartedJob:
        del asked
        return self.started(call, TrainJob.by_settings(call.services, "page", actor=call.visitor.name))


class ConnectProject(Endpoint):
    """Connect a project of Label Studio, or repair its connection."""

    name = "connect_project"
    path = "/projects"
    method = "POST"
    role = Role.ADMIN
    subject = "project {project}"
    words = "Connect again"

    def answer(self, call: Call, asked: StudioProject) -> Connected:
        connection = connect(call.services, asked.project)
        return Connected(
            project=connection.project.id,
            changes=list(connection.sentences),
            notices=list(connection.notices),
            job=connection.job.id if connection.job else None,
        )

    def sentence(self, answer: Connected) -> str:
        return " ".join([*answer.changes, *answer.notices])

    def next_path(self, answer: Connected) -> str:
        return url_for("pages.project", project_id=answer.project)


class CheckConnection(Endpoint):
    """Look at every link of the chain between Label Studio, this backend and the model.

    The running backend gets a test event and some tasks. It takes seconds.
    """

    name = "check_connection"
    path = f"/projects/{PROJECT}/connection"
    role = Role.ANALYST

    def answer(self, call: Call, asked: NoFields) -> Findings:
        del asked
        call.services.database.projects.get(call.ids["project_id"])
        found = [LinkFinding.model_validate(each) for each in diagnose(call.services, call.ids["project_id"])]
        marked: list[dict[str, Any]] = [
            {**each.model_dump(), "is_mended_by_connecting": CONNECT_FIX in each.fix} for each in found
        ]
        return Findings(findings=[LinkFinding(**each) for each in marked])
