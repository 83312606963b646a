"""The versions of a project, and all that is known of one of them, from the database and from files of this machine."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ...domain.model import ModelVersion
from ...domain.project import Project
from ...domain.snapshot import Split
from ...errors import BundleError, ModelNotFound, SnapshotError
from ...measuring.shares import share_interval
from ..exporting.snapshots import stored_snapshot
from ..services import Services
from .versions import snapshot_labels

__all__ = ["find_version", "model_facts", "model_rows", "version_name"]

COLD_START = 0
"""Stands for the cold start where versions are named by number."""


def version_name(project: Project, number: int) -> str:
    """Return the name of a project's version by its number; 0 is the cold start."""
    if number == COLD_START:
        return ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    return ModelVersion.name_of(project.ref.key, number)


def find_version(services: Services, project: Project, number: int) -> ModelVersion:
    """Return a version of a project by its number.

    Raises:
        ModelNotFound: there is none.
    """
    name = ModelVersion.name_of(project.ref.key, number)
    version = services.database.versions.find(name)
    if version is None:
        raise ModelNotFound(f"project {project.id} has no version {number}; its page Models lists all of them")
    return version


def model_rows(services: Services, project: Project, number: int | None = None) -> list[dict[str, Any]]:
    """Return the project's versions, newest first.

    Args:
        number: of the only version to return; None: all.

    Returns:
        Objects with `number`, `version`, `method`, `learned_from`, `made_at`, `is_champion`, `labels` (reviewed rows of
        its snapshot, None where that is not on this machine), `seconds` (of its training, None where unknown),
        `size_bytes` (of its files, None where they are elsewhere), `state` (`serves`, `served`, `kept out`, `under way`
        or empty), `why`, and `test` and `validation`: figures as `_figures` gives them.
    """
    database, key = services.database, project.ref.key
    folder = services.options.snapshots_folder / key
    seconds = database.measurements.training_seconds(project.id)
    measured = _newest_summaries(services, key)
    states = _states(services, project)
    rows = []
    for version in database.versions.all(key):
        if number not in {None, version.number}:
            continue
        state, why = states.get(version.name, ("", ""))
        rows.append(
            {
                "number": version.number,
                "version": version.name,
                "method": version.method.value,
                "learned_from": version.learned_from.value,
                "made_at": version.created_at,
                "is_champion": version.is_champion,
                "labels": snapshot_labels(folder / version.snapshot_id),
                "seconds": seconds.get(version.name),
                "size_bytes": _size(services.options.home / version.path),
                "state": "serves" if version.is_champion else state,
                "why": why,
                "test": measured.get((version.name, Split.TEST)),
                "validation": measured.get((version.name, Split.VALIDATION)) or _from_metrics(version),
            }
        )
    return rows


def model_facts(services: Services, project: Project, version: ModelVersion) -> dict[str, Any]:
    """Return how a version was made and how it fared.

    Returns:
        An object with `base_model`, `settings` by control, `libraries`, `snapshot_id`, `parent` (the snapshot before),
        `counts`, `weak_rows`, `gates` (sentences, the newest first), `spending` (of the budget of error),
        `certificates` (promises) and `mlflow_url` (empty where MLflow has no address that a browser can open).
    """
    from ...models.bundle.bundle import read_manifest

    database, key = services.database, project.ref.key
    path = services.options.home / version.path
    try:
        manifest = read_manifest(path)
    except (BundleError, OSError):
        manifest = None
    try:
        snapshot = stored_snapshot(services, project, version.snapshot_id).manifest
    except SnapshotError:
        snapshot = None
    last = database.gates.last(key)
    return {
        "base_model": manifest.base_model if manifest else "",
        "settings": {part.control: dict(part.settings) for part in manifest.parts} if manifest else {},
        "libraries": dict(manifest.libraries) if manifest else {},
        "snapshot_id": version.snapshot_id,
        "parent": snapshot.parent if snapshot else None,
        "counts": dict(snapshot.counts) if snapshot else {},
        "weak_rows": int(sum(value for name, value in version.metrics.items() if name.endswith("weak_rows"))),
        "gates": [
            {"at": at, "reason": each.reason, "promote": each.promote, "warnings": list(each.warnings)}
            for at, each in reversed(database.gates.history(key, version.name))
        ],
        "spending": last.spending if last else None,
        "certificates": [
            each.promise for each in database.certificates.all(project.id) if each.version == version.name
        ],
        "mlflow_url": _mlflow_url(services, version),
    }


def _mlflow_url(services: Services, version: ModelVersion) -> str:
    """Return the address of the project's versions in MLflow, without a user or a password."""
    parts = urlsplit(services.options.mlflow)
    if parts.scheme not in ("http", "https"):
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/models/{quote(version.project_key)}"


def _states(services: Services, project: Project) -> dict[str, tuple[str, str]]:
    """Return what became of each version, and why: of several events the last one."""
    states: dict[str, tuple[str, str]] = {}
    for verdict in services.database.gates.verdicts(project.ref.key):
        if not verdict["promote"]:
            states[verdict["challenger"]] = ("kept out", verdict["reason"])
    for promotion in reversed(services.database.promotions.history(project.id)):
        if promotion.state.is_open:
            states[promotion.version] = ("under way", promotion.reason)
        elif promotion.state == "done":
            states[promotion.version] = ("served", promotion.reason)
    return states


def _newest_summaries(services: Services, key: str) -> Mapping[tuple[str, Split], dict[str, Any]]:
    """Return the newest figures per version and split."""
    found: dict[tuple[str, Split], dict[str, Any]] = {}
    for row in services.database.measurements.summaries(key):
        place = (row["version"], Split(row["split"]))
        if place not in found:
            found[place] = _figures(row["summary"])
    return found


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a measurement as lists show them: of several controls the means, without intervals."""
    controls = list(summary["controls"].values())
    accuracies = [each["accuracy"] for each in controls if each["accuracy"] is not None]
    one = controls[0] if len(controls) == 1 else None
    interval = one.get("accuracy_interval") if one else None
    return {
        "metric": one["metric"] if one else f"mean of {', '.join(dict.fromkeys(each['metric'] for each in controls))}",
        "score": sum(each["score"] for each in controls) / len(controls),
        "low": one["low"] if one else None,
        "high": one["high"] if one else None,
        "accuracy": sum(accuracies) / len(accuracies) if accuracies else None,
        "accuracy_low": interval[0] if interval else None,
        "accuracy_high": interval[1] if interval else None,
        "rows": max(each["rows"] for each in controls),
        "is_kept": True,
    }


def _from_metrics(version: ModelVersion) -> dict[str, Any] | None:
    """Return what was measured when an older labelloop made the version, and kept as figures alone."""
    score = version.metrics.get("score")
    if score is None:
        return None
    rows, accuracy = int(version.metrics.get("rows", 0)), version.metrics.get("accuracy")
    low, high = share_interval(accuracy, rows) if accuracy is not None and rows else (None, None)
    return {
        "metric": "score",
        "score": score,
        "low": None,
        "high": None,
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "rows": rows,
        "is_kept": False,
    }


def _size(path: Path) -> int | None:
    return _summed(path) if path.is_dir() else None


@lru_cache(maxsize=4096)
def _summed(path: Path) -> int:
    """Return the bytes of a bundle, which never changes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
