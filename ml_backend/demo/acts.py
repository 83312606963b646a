"""The steps of the loop that somebody takes in Label Studio, and waiting for what the backend makes of them."""

import time
from collections.abc import Sequence

from ..domain.job import Job, JobState
from ..domain.progress import ProgressCallback, ignore_progress
from ..domain.project import Project
from ..errors import JobError
from ..labelstudio.http import StudioHttp
from ..tasks import template_path
from ..workflows.connecting.connect import Connection, create_and_connect
from ..workflows.connecting.projects import plan_of
from ..workflows.services import Services
from .backend import BackendProcess
from .desk import Desk
from .tickets import Ticket

__all__ = ["desk_of", "finish", "make_project", "press_start_training"]

TITLE = "Support tickets"
POLL_S = 0.3
ARRIVAL_S = 15.0
STUDIO_TIMEOUT_S = 60.0


def make_project(services: Services, tickets: Sequence[Ticket]) -> Connection:
    """A new project of the tickets' texts, without their labels, connected to the backend."""
    label_config = template_path("classification").read_text(encoding="utf-8")
    return create_and_connect(services, TITLE, label_config, [{"text": ticket.text} for ticket in tickets])


def desk_of(services: Services, project: Project, studio_token: str) -> Desk:
    """The desk of an annotator of the project."""
    control = plan_of(project).controls[0].control
    http = StudioHttp(services.studio.url, studio_token, STUDIO_TIMEOUT_S)
    return Desk(services.studio, http, project.id, control_name=control.name, object_name=control.object.name)


def press_start_training(services: Services, backend: BackendProcess, project: Project) -> Job:
    """The job that Start Training in Label Studio led to.

    Raises:
        JobError: none arrived; Label Studio itself never says that a press failed.
        ConfigurationError: the backend has ended.
    """
    if project.backend_id is None:
        raise JobError(f"project {project.id} has no backend in Label Studio; run `labelloop connect {project.id}`")
    jobs = services.database.jobs
    before = jobs.last("train", project.id)
    services.studio.start_training(project.backend_id)
    deadline = time.monotonic() + ARRIVAL_S
    while True:
        job = jobs.last("train", project.id)
        if job is not None and (before is None or job.id != before.id or not job.state.is_over):
            return job
        backend.check()
        if time.monotonic() > deadline:
            raise JobError(
                f"Start Training was pressed, but no job arrived within {ARRIVAL_S:g} s; "
                f"the backend's log may say why: {backend.log_file}"
            )
        time.sleep(POLL_S)


def finish(services: Services, backend: BackendProcess, job: Job, report: ProgressCallback = ignore_progress) -> Job:
    """The job once it has succeeded.

    Raises:
        JobError: it did not.
        ConfigurationError: the backend has ended, and nothing looks after the job.
    """
    while not job.state.is_over:
        report(job.latest)
        time.sleep(POLL_S)
        backend.check()
        job = services.database.jobs.get(job.id)
    if job.state is not JobState.SUCCEEDED:
        raise JobError(f"job {job.id} ({job.kind}) {job.state}: {job.error}; the backend's log: {backend.log_file}")
    return job
