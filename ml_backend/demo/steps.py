"""The steps of the loop that somebody takes in Label Studio, and waiting for what the backend makes of them."""

import time
from collections.abc import Sequence

from ..domain.job import Job, JobState
from ..domain.progress import Progress, ProgressCallback
from ..domain.project import Project
from ..errors import JobError
from ..tasks import template_path
from ..workflows.connecting.connect import Connection, create_and_connect
from ..workflows.services import Services
from .backend import BackendProcess
from .tickets import Ticket

__all__ = ["finish", "make_project", "press_start_training"]

TITLE = "Support tickets"
POLL_S = 0.3
ARRIVAL_S = 15.0


def make_project(services: Services, tickets: Sequence[Ticket]) -> Connection:
    """Make and connect a project of the tickets' texts, without their labels."""
    label_config = template_path("classification").read_text(encoding="utf-8")
    return create_and_connect(services, TITLE, label_config, [{"text": ticket.text} for ticket in tickets])


def press_start_training(services: Services, backend: BackendProcess, project: Project) -> Job:
    """Press Start Training in Label Studio; returns the job that this led to.

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


def finish(services: Services, backend: BackendProcess, job: Job, progress: ProgressCallback = Progress.ignore) -> Job:
    """Wait for a job; returns it once it has succeeded.

    Raises:
        JobError: it did not.
        ConfigurationError: the backend has ended, and nothing looks after the job.
    """
    while not job.state.is_over:
        progress(job.latest)
        time.sleep(POLL_S)
        backend.check()
        job = services.database.jobs.get(job.id)
    if job.state is not JobState.SUCCEEDED:
        raise JobError(f"job {job.id} ({job.kind}) {job.state}: {job.error}; the backend's log: {backend.log_file}")
    return job
