"""The worth of labels so far: versions, with the labels that each was trained on and what it scored."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ...domain.project import Project
from ...domain.snapshot import Split
from ...errors import SnapshotError
from ...measuring.shares import share_interval
from ...snapshots.store import SnapshotFolder
from ..services import Services

__all__ = ["snapshot_labels", "version_points"]


def version_points(services: Services, project: Project) -> list[dict[str, Any]]:
    """Return the project's versions, oldest first, by what was measured when they were made.

    Returns:
        Objects with `version`, `method`, `made_at`, `is_champion`, `labels` (reviewed rows of its snapshot, None where
        the snapshot is not on this machine), `macro_f1` (on validation rows, the mean over several controls; None where
        nothing was measured), `accuracy` with its 95% interval `low` and `high`, and `rows` that these were measured
        on.
    """
    folder = services.options.snapshots_folder / project.ref.key
    points = []
    for version in reversed(services.database.versions.all(project.ref.key)):
        rows, accuracy = int(version.metrics.get("rows", 0)), version.metrics.get("accuracy")
        low, high = share_interval(accuracy, rows) if accuracy is not None and rows else (None, None)
        points.append(
            {
                "version": version.name,
                "method": version.method.value,
                "made_at": version.created_at,
                "is_champion": version.is_champion,
                "labels": snapshot_labels(folder / version.snapshot_id),
                "macro_f1": version.metrics.get("macro_f1", version.metrics.get("score")),
                "accuracy": accuracy,
                "low": low,
                "high": high,
                "rows": rows,
            }
        )
    return points


def snapshot_labels(folder: Path) -> int | None:
    try:
        return _counted(folder)
    except SnapshotError:
        return None  # not kept, so that it is found once it is there


@lru_cache(maxsize=4096)
def _counted(folder: Path) -> int:
    """Return the rows of a snapshot, which never change."""
    counts = SnapshotFolder(folder).manifest().counts
    return sum(counts.get(split.value, 0) for split in Split)
