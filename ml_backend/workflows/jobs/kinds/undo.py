"""Jobs that take back what a version accepted."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ...accepting.undo import undo_acceptances
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["UndoJob"]


class UndoJob(JobKind, frozen=True):
    """Delete the annotations that a version accepted and nobody has changed since, and end its certificate."""

    name: ClassVar[str] = "undo"
    lane: ClassVar[str] = "accept"
    retry_command: ClassVar[str] = "labelloop auto-accept undo VERSION --project {project_id}"

    version: str

    def dedupe_key(self, project_id: int) -> str:
        return f"undo:{project_id}:{self.version}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id)
        return {"model_version": self.version, **undo_acceptances(services, project, self.version, context.report)}
