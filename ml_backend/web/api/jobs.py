"""Jobs: what they are at, why they were started, and stopping and resuming them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from flask import Response, url_for
from pydantic import BaseModel, ConfigDict, Field

from ...domain.access import Role
from ...domain.job import Job, JobState
from ...jobs.launcher import job_folder, log_path
from ...jobs.loss_file import LossFile
from ...workflows.jobs.kinds.base import JobKind
from ...workflows.services import Services
from ..call import Call
from ..log_tail import log_tail
from ..streams import Streams
from .base import Endpoint, NoFields

__all__ = ["JobView", "OneJob", "SomeJobs", "StartedJob", "StartsJob"]

JOB = f"<int(min=1, max={Job.GREATEST_ID}):job_id>"
LOSS_POINTS = 400


class JobView(BaseModel):
    """A job as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: str
    project_id: int = Field(description="0 for work on files.")
    state: JobState
    is_over: bool
    is_resumable: bool
    progress: float = Field(ge=0, le=1)
    stage: str
    message: str
    error: str | None
    attempt: int
    cancel_requested: bool
    trigger: str = Field(description="What started it, such as policy; empty where that is not known.")
    actor: str = Field(description="Who started it, where that is known.")
    model_version: str | None = Field(description="The version that it made.")
    created_at: datetime | None
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobView":
        """Return what is shown of a job."""
        values = {name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)}
        return cls(
            **values
            | {
                "is_over": job.state.is_over,
                "is_resumable": job.state.is_resumable,
                "trigger": str(job.params.get("trigger") or ""),
                "actor": str(job.params.get("actor") or ""),
                "model_version": job.result.get("model_version"),
            }
        )


class JobDetails(JobView):
    """A job with all that is known of it."""

    params: Mapping[str, Any]
    result: Mapping[str, Any]
    log: str = Field(description="The end of its log; empty where it ran on another machine or printed nothing.")
    log_left_out_bytes: int = Field(description="How much stands in the log before that.")
    losses: list[tuple[float, float]] = Field(description="Progress and loss, along the way.")


class JobFilter(BaseModel, extra="forbid"):
    """Which jobs, and in which order."""

    project: int | None = Field(None, ge=0, le=2**63 - 1)
    kind: str = Field("", max_length=32)
    state: JobState | None = None
    order: Literal["id", "kind", "state", "project_id", "progress", "created_at", "finished_at"] = "id"
    down: bool = True
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(50, ge=1, le=200)


class JobList(BaseModel):
    """Some jobs, and how many there are."""

    jobs: list[JobView]
    count: int
    page: int
    pages: int


class StartedJob(BaseModel):
    """A job that was asked for."""

    job: int
    state: str
    is_new: bool = Field(description="False: it waits or runs already.")


class StartsJob(Endpoint):
    """The base of endpoints that start a job of a project, and lead to its page."""

    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}"

    def started(self, call: Call, kind: JobKind) -> StartedJob:
        """Request a job of the project that the path names."""
        job, is_new = kind.request(call.services, call.ids["project_id"])
        return StartedJob(job=job.id, state=job.state, is_new=is_new)

    def sentence(self, answer: StartedJob) -> str:
        return f"Job {answer.job} is {answer.state}{'' if answer.is_new else '; it was asked for before'}."

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)


class SomeJobs(Endpoint):
    """List jobs."""

    name = "jobs"
    path = "/jobs"

    def answer(self, call: Call, asked: JobFilter) -> JobList:
        rows = call.services.database.jobs
        chosen: dict[str, Any] = {"project_id": asked.project, "kind": asked.kind, "state": asked.state}
        count = rows.count(**chosen)
        start = (asked.page - 1) * asked.size
        found = rows.page(**chosen, order=asked.order, is_descending=asked.down, limit=asked.size, offset=start)
        pages = max(-(-count // asked.size), 1)
        return JobList(jobs=[JobView.of(job) for job in found], count=count, page=asked.page, pages=pages)


class OneJob(Endpoint):
    """Show a job: its stage, its loss so far, and the end of its log."""

    name = "job"
    path = f"/jobs/{JOB}"

    def answer(self, call: Call, asked: NoFields) -> JobDetails:
        del asked
        job, home = call.services.database.jobs.get(call.ids["job_id"]), call.services.options.home
        text, left_out = log_tail(log_path(home, job.id))
        return JobDetails(
            **JobView.of(job).model_dump(),
            params=job.params,
            result=job.result,
            log=text,
            log_left_out_bytes=left_out,
            losses=LossFile(job_folder(home, job.id)).points(LOSS_POINTS),
        )


class JobEvents(Endpoint):
    """Follow a job: an event per change until it is over.

    The answer is a stream of server-sent events, whose data is what `job` lists show. It ends with the job, and after a
    minute in any case: ask again. 204: the job is over, or too many streams are open.
    """

    name = "job_events"
    path = f"/jobs/{JOB}/events"
    media_type = "text/event-stream"

    def answer(self, call: Call, asked: NoFields) -> Response:
        del asked
        job_id = call.ids["job_id"]
        call.services.database.jobs.get(job_id)
        return Streams.of_app().follow(lambda: _now(call.services, job_id))


class CancelJob(Endpoint):
    """Cancel a waiting job at once; ask a running one to stop."""

    name = "cancel_job"
    path = f"/jobs/{JOB}/cancel"
    method = "POST"
    role = Role.ANALYST
    subject = "job {job_id}"
    words = "Cancel job"
    loss = "Job {job_id} stops. What it has worked out so far is not used, and a cancelled job cannot be resumed."

    def answer(self, call: Call, asked: NoFields) -> JobView:
        del asked
        return JobView.of(call.services.database.jobs.cancel(call.ids["job_id"]))

    def sentence(self, answer: JobView) -> str:
        if answer.is_over:
            return f"Job {answer.id} is {answer.state}."
        return f"Job {answer.id} was asked to stop; it stops within seconds."

    def next_path(self, answer: JobView) -> str:
        return url_for("pages.job", job_id=answer.id)


class ResumeJob(Endpoint):
    """Let a job that failed or was abandoned go on from what it had finished."""

    name = "resume_job"
    path = f"/jobs/{JOB}/resume"
    method = "POST"
    role = Role.ANALYST
    subject = "job {job_id}"
    words = "Resume"

    def answer(self, call: Call, asked: NoFields) -> JobView:
        del asked
        return JobView.of(call.services.database.jobs.resume(call.ids["job_id"]))

    def sentence(self, answer: JobView) -> str:
        return f"Job {answer.id} waits for its attempt {answer.attempt}."

    def next_path(self, answer: JobView) -> str:
        return url_for("pages.job", job_id=answer.id)


def _now(services: Services, job_id: int) -> tuple[str, bool]:
    """Return what is to be said of a job now, and whether it is over."""
    view = JobView.of(services.database.jobs.get(job_id))
    return view.model_dump_json(exclude={"heartbeat_at"}), view.is_over
