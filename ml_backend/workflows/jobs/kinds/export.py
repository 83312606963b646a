"""Jobs that write a large snapshot in an export format, for a download."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ....domain.job import Job
from ....domain.progress import Progress
from ...exporting.archives import archive_path, export_archive
from ...exporting.snapshots import stored_snapshot
from ...services import Services
from ..context import JobContext
from .base import JobKind

__all__ = ["ExportJob"]


class ExportJob(JobKind, frozen=True):
    """Write the rows of a snapshot into an archive below the home folder.

    Attributes:
        trigger: who asked: `page`.
        actor: the user who asked.
        snapshot_id: a snapshot of the project.
        format_name, control: as `labelloop export` has them; an empty control: all.
    """

    name: ClassVar[str] = "export"
    # It reads files alone.
    lane: ClassVar[str] = "export"
    retry_command: ClassVar[str] = "labelloop export --project {project_id} --format rows --out rows.jsonl"

    trigger: str
    actor: str = ""
    snapshot_id: str
    format_name: str
    control: str = ""

    def dedupe_key(self, project_id: int) -> str:
        return f"export:{project_id}:{self.snapshot_id}:{self.format_name}:{self.control}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id)
        context.report(Progress(0.0, "writing", f"snapshot {self.snapshot_id} as {self.format_name}"))
        snapshot = stored_snapshot(services, project, self.snapshot_id)
        path = archive_path(services, project, snapshot, self.format_name, self.control)
        export_archive(snapshot, self.format_name, self.control, path)
        return {"path": str(path), "bytes": path.stat().st_size, "trigger": self.trigger}
