"""The base of all kinds of jobs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from ....domain.job import Job
from ....errors import JobError
from ....plugins import classes_in
from ...services import Services
from ..context import JobContext

__all__ = ["JobKind"]


class JobKind(BaseModel, ABC, frozen=True):
    """A kind of job. An instance is one request for such a job; its fields are the parameters in the job's row.

    A new kind is one module in this folder, with a subclass.

    Attributes:
        name: of the kind, in rows and on pages; rows keep it, so it never changes.
        lane: of the jobs of one project in the same lane, one runs at a time; jobs in other lanes may run beside it.
        retry_command: does the same work again; `{project_id}` in it stands for the project.
    """

    name: ClassVar[str]
    lane: ClassVar[str] = Job.PROJECT_LANE
    retry_command: ClassVar[str] = "labelloop models list --project {project_id}"

    @staticmethod
    def all() -> Mapping[str, type["JobKind"]]:
        """Return all kinds by name."""
        return classes_in(__package__, JobKind, "name")

    @staticmethod
    def of(job: Job) -> type["JobKind"]:
        """Return the kind of a job.

        Raises:
            JobError: this version does not know the kind.
        """
        kinds = JobKind.all()
        if job.kind not in kinds:
            raise JobError(f"job {job.id} is of kind {job.kind!r}; this version knows {', '.join(kinds)}")
        return kinds[job.kind]

    @abstractmethod
    def dedupe_key(self, project_id: int) -> str:
        """Return a key that equal requests share: while one of them waits or runs, no other job is made."""

    @abstractmethod
    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        """Do the work, and return the job's result as JSON values.

        A later attempt at the job calls this again. It should then do only what the attempts before it have not done.
        """

    def follow_up(self, services: Services, job: Job) -> None:
        """Request the job that follows once this one has succeeded; none by default."""

    def request(self, services: Services, project_id: int, *, claim: bool = False) -> tuple[Job, bool]:
        """Return a job for this request, and True where it is new: an equal one that waits or runs is returned instead.

        Args:
            project_id: 0 for work on files.
            claim: the caller runs the job itself.

        Raises:
            ProjectNotFound: the project was never connected.
            JobError: `claim`, and another job is running in the same lane of the project.
        """
        if project_id:
            services.database.projects.get(project_id)
        return services.database.jobs.request(
            self.name,
            project_id,
            self.model_dump(mode="json"),
            dedupe_key=self.dedupe_key(project_id),
            lane=self.lane,
            claim=claim,
        )
