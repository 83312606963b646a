"""The snapshots of a project: what is in them, where they come from, and what was made of them."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...domain.model import ModelVersion
from ...domain.project import Project
from ...domain.snapshot import SnapshotManifest, Split
from ...errors import SnapshotNotFound
from ...snapshots.store import SnapshotFolder
from ..promoting.log import promotion_log
from ..services import Services

__all__ = ["project_snapshot", "snapshot_page"]

MOST_JOBS = 500
"""Trainings that are looked through for the ones that made a snapshot's versions."""


def snapshot_page(services: Services, project: Project, *, start: int, count: int) -> tuple[list[dict[str, Any]], int]:
    """Return some snapshots of a project, the newest first, and how many there are.

    Returns:
        Objects with `id`, `read_at` (when the reading of its rows began), `is_here` (its files are on this machine),
        `counts` (rows per split, with `unresolved` and `dropped`), `parent`, `review_rule`, `fingerprint` (of its label
        config), `is_present_config`, `made_at`, and `versions` (names of those that were trained on it).
    """
    records = services.database.snapshots
    trained = _versions_by_snapshot(services, project)
    found = [
        {
            "id": record.id,
            "read_at": record.read_at,
            "versions": [version.name for version in trained.get(record.id, ())],
            **_summary(project, _manifest(services, project, record.id)),
        }
        for record in records.page(project.id, limit=count, offset=start)
    ]
    return found, records.count(project.id)


def project_snapshot(services: Services, project: Project, snapshot_id: str) -> dict[str, Any]:
    """Return all that is to be said of a snapshot.

    Returns:
        What `snapshot_page` has, and: `split`, `split_rule`, `seed`, `fields`, `warnings`, `labels` (objects with
        `control`, `label` and rows per split), `left_out` (sentences), and, as `trained`, objects with `version`,
        `method`, `made_at`, `is_champion`, `macro_f1`, `job_id` of the training, and `log`, its entries of
        `promotion_log`.

    Raises:
        SnapshotNotFound: the project has had no such snapshot.
        SnapshotError: it is damaged.
    """
    record = services.database.snapshots.find(project.id, snapshot_id)
    if record is None:
        raise SnapshotNotFound(f"project {project.id} has had no snapshot {snapshot_id}; its tab Data lists them")
    manifest = _manifest(services, project, snapshot_id)
    versions = _versions_by_snapshot(services, project).get(snapshot_id, [])
    view = {
        "id": record.id,
        "read_at": record.read_at,
        "versions": [version.name for version in versions],
        **_summary(project, manifest),
        "trained": list(_trained(services, project, versions)),
    }
    if manifest is None:
        return view
    return view | {
        "split": str(manifest.split),
        "split_rule": manifest.split_rule.value,
        "seed": manifest.seed,
        "fields": list(manifest.fields),
        "warnings": list(manifest.warnings),
        "labels": list(_label_rows(manifest)),
        "left_out": [reason.line for reason in manifest.reasons],
    }


def _manifest(services: Services, project: Project, snapshot_id: str) -> SnapshotManifest | None:
    """Return a manifest; None where the snapshot is not on this machine.

    Raises:
        SnapshotError: it is damaged.
    """
    folder = services.options.snapshots_folder / project.ref.key / snapshot_id
    return _read(folder) if folder.is_dir() else None  # not kept, so that it is found once it is there


@lru_cache(maxsize=256)
def _read(folder: Path) -> SnapshotManifest:
    """Return what a snapshot says about itself, which never changes."""
    return SnapshotFolder(folder).manifest()


def _summary(project: Project, manifest: SnapshotManifest | None) -> dict[str, Any]:
    if manifest is None:
        return {"is_here": False}
    return {
        "is_here": True,
        "counts": dict(manifest.counts),
        "parent": manifest.parent,
        "review_rule": manifest.review_rule,
        "fingerprint": manifest.label_config_fingerprint,
        "is_present_config": manifest.label_config_fingerprint == project.label_config_fingerprint,
        "made_at": manifest.created_at,
    }


def _versions_by_snapshot(services: Services, project: Project) -> Mapping[str, list[ModelVersion]]:
    found: dict[str, list[ModelVersion]] = {}
    for version in services.database.versions.all(project.ref.key):
        found.setdefault(version.snapshot_id, []).append(version)
    return found


def _trained(services: Services, project: Project, versions: list[ModelVersion]) -> Iterator[dict[str, Any]]:
    if not versions:
        return
    jobs = services.database.jobs.page(project_id=project.id, kind="train", limit=MOST_JOBS)
    made_by = {job.result.get("model_version"): job.id for job in reversed(jobs)}
    log = promotion_log(services, project)
    for version in versions:
        yield {
            "version": version.name,
            "method": version.method.value,
            "made_at": version.created_at,
            "is_champion": version.is_champion,
            "macro_f1": version.metrics.get("macro_f1", version.metrics.get("score")),
            "job_id": made_by.get(version.name),
            "log": [entry for entry in log if entry["version"] == version.name],
        }


def _label_rows(manifest: SnapshotManifest) -> Iterator[dict[str, Any]]:
    """Yield the rows per label, most frequent labels of a control first."""
    by_split = manifest.label_counts
    controls = dict.fromkeys(control for counts in by_split.values() for control in counts)
    for control in controls:
        labels = dict.fromkeys(label for counts in by_split.values() for label in counts.get(control, ()))
        rows: list[dict[str, Any]] = [
            {
                "control": control,
                "label": label,
                **{split.value: by_split.get(split.value, {}).get(control, {}).get(label, 0) for split in Split},
            }
            for label in labels
        ]
        yield from sorted(rows, key=lambda row: (-sum(row[split.value] for split in Split), row["label"]))
