"""Jobs that push the missing pre-labels of the version that serves."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...connecting.projects import project_as_it_is
from ...labeling.prelabel import push_missing, select_version
from ...services import Services
from ..context import JobContext
from .accept import AcceptJob
from .base import JobKind

__all__ = ["PrelabelJob"]


class PrelabelJob(JobKind, frozen=True):
    """Push the serving version's missing pre-labels, and select them in Label Studio.

    Attributes:
        trigger: who asked: `connect`, `event`, `import` or `command`.
    """

    name: ClassVar[str] = "prelabel"
    retry_command: ClassVar[str] = "labelloop prelabel --project {project_id}"

    trigger: str

    def dedupe_key(self, project_id: int) -> str:
        return f"prelabel:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = project_as_it_is(services, services.database.projects.get(job.project_id))
        context.report(Progress(0.0, "loading", "loading the model"))
        predictor = services.champions.refresh(project)
        pushed = push_missing(services, project, predictor, context.report)
        is_selected = select_version(services, project, predictor.version)
        return {"model_version": predictor.version, "pushed": pushed, "is_selected": is_selected}

    def follow_up(self, services: Services, job: Job) -> None:
        """Request that answers be accepted, where a certificate is in force."""
        AcceptJob.request_if_certified(services, job.project_id, "push")
