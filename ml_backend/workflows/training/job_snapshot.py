"""The snapshot that a job works on, which is the same at every attempt."""

import logging
from pathlib import Path

from ...domain.progress import Progress
from ...domain.project import Project
from ...domain.snapshot import Snapshot
from ...errors import SnapshotError
from ...snapshots.store import SnapshotFolder
from ..exporting.snapshots import export_project, stored_snapshot
from ..jobs.context import JobContext
from ..services import Services

__all__ = ["job_snapshot"]

log = logging.getLogger(__name__)


def job_snapshot(
    services: Services,
    project: Project | None,
    folder: str | None,
    context: JobContext,
    *,
    is_for_training: bool = True,
    may_be_empty: bool = False,
) -> Snapshot:
    """Return the snapshot in the folder; without a folder, one of the project's reviewed tasks as they are now.

    Args:
        is_for_training, may_be_empty: see `export_project`.

    Raises:
        SnapshotError: there is neither a project nor a folder, the snapshot is damaged, or no task is reviewed, where
            it may not be empty.
        StudioError: Label Studio cannot be read.
    """
    if folder:
        path = Path(folder)
        return Snapshot(path, SnapshotFolder(path).manifest())
    if project is None:
        raise SnapshotError("neither a project nor a snapshot was given; name one of them")
    if snapshot_id := context.checkpoint.get("snapshot_id"):
        try:
            # Labels that came since then belong to the next job.
            return stored_snapshot(services, project, snapshot_id)
        except SnapshotError as error:
            log.warning("taking a new snapshot, since the one of the attempt before is not here: %s", error)
    context.report(Progress(0.0, "snapshot", "reading the reviewed tasks from Label Studio"))
    snapshot = export_project(services, project, is_for_training=is_for_training, may_be_empty=may_be_empty)
    context.keep(snapshot_id=snapshot.id)
    return snapshot
