"""Jobs that accept answers by the project's certificate."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from ....domain.job import Job
from ...accepting.accept import accept_answers
from ...accepting.in_force import certificate_in_force
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["AcceptJob"]


class AcceptJob(JobKind, frozen=True):
    """Accept what the project's certificate covers; nothing where none is in force.

    Attributes:
        trigger: who asked: `command` or `push`.
    """

    name: ClassVar[str] = "accept"
    lane: ClassVar[str] = "accept"
    retry_command: ClassVar[str] = "labelloop auto-accept plan --project {project_id}"

    trigger: str

    def dedupe_key(self, project_id: int) -> str:
        return f"accept:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        outcome = accept_answers(services, services.database.projects.get(job.project_id), context.report)
        return {**asdict(outcome), "trigger": self.trigger}

    @classmethod
    def request_if_certified(cls, services: Services, project_id: int, trigger: str) -> Job | None:
        """Request such a job where a certificate is in force; None where none is."""
        project = services.database.projects.get(project_id)
        if certificate_in_force(services, project) is None:
            return None
        return cls(trigger=trigger).request(services, project_id)[0]
