"""Jobs that measure a project's label sources."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ....domain.job import Job
from ....errors import ConfigurationError
from ....options import PREFIX
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["CheckSourcesJob"]


class CheckSourcesJob(JobKind, frozen=True):
    """Measure the sources of the folder that the settings name, and keep the result for the page.

    Attributes:
        trigger: who asked: `page`.
        actor: the user who asked.
    """

    name: ClassVar[str] = "check_sources"
    # It only reads, so it may run beside the other work of its project.
    lane: ClassVar[str] = "sources"
    retry_command: ClassVar[str] = "labelloop sources check --sources DIR --project {project_id}"

    trigger: str
    actor: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"check_sources:{project_id}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        from ...sourcing.check import source_check
        from ...sourcing.read import folder_for, read_texts
        from ...sourcing.stored import store_check
        from ...sourcing.worklist import reasons_worklist

        folder = services.options.sources.folder
        if not folder:
            raise ConfigurationError(f"no folder of label sources is set; wanted one in {PREFIX}SOURCES")
        project = services.database.projects.get(job.project_id)
        read = read_texts(services, folder_for(Path(folder), project.ref.key), project, report=context.report)
        checked = source_check(read)
        store_check(services, project, checked, reasons_worklist(services, project, read))
        return {
            "sources": len(checked["sources"]),
            "on": sum(each["is_on"] for each in checked["sources"]),
            "differences": len(checked["differences"]),
            "faults": [fault.sentence for fault in read.faults],
            "trigger": self.trigger,
        }
