"""Snapshots on disk: written once and whole, checked at every reading."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..atomic_files import take_place, unfinished_folder
from ..domain.example import Row
from ..domain.label_config import LabelConfig
from ..domain.row_json import row_from_line, row_to_json, to_line
from ..domain.snapshot import ProjectRef, Snapshot, SnapshotManifest, Split
from ..errors import SnapshotError
from .build import BuiltRows
from .manifest import manifest_from_json, manifest_to_json, snapshot_id
from .reviewed import BuildSettings

__all__ = ["MANIFEST", "read_manifest", "read_moved", "read_rows", "read_unresolved", "write_snapshot"]

MANIFEST = "manifest.json"
UNRESOLVED = "unresolved.jsonl"
DROPPED = "dropped.jsonl"
MOVED = "moved.jsonl"
REMEDY = "delete the folder and export again"


def write_snapshot(
    root: Path,
    built: BuiltRows,
    *,
    project: ProjectRef,
    config: LabelConfig,
    settings: BuildSettings,
    seed: int,
    parent: str | None = None,
    created_at: datetime | None = None,
) -> Snapshot:
    """Write the rows as a snapshot to `<root>/<project key>/<id>/`, and return it.

    The same rows under the same settings have the same id. If it exists already, nothing is written, and that snapshot
    is returned with its original parent and time, but with the reasons of now. Several processes may write at once, and
    a reader never sees a part: the files are made in a hidden folder, which is then moved into place in one step.

    Args:
        parent: id of the project's previous snapshot.

    Raises:
        SnapshotError: the snapshot exists already and is damaged, or a number in a row is not finite.
    """
    folder = root / project.key
    with unfinished_folder(folder) as hidden:
        manifest = SnapshotManifest(
            id="",
            project=project,
            label_config=config.xml,
            label_config_fingerprint=config.fingerprint,
            review_rule=str(settings.review_rule),
            split=settings.split,
            seed=seed,
            counts=built.counts,
            label_counts=built.label_counts,
            dropped=built.dropped_counts,
            files={name: _write_lines(hidden / name, lines) for name, lines in _contents(built).items()},
            warnings=built.warnings,
            parent=parent,
            created_at=created_at.isoformat() if created_at else None,
            reasons=built.reasons,
        )
        manifest = replace(manifest, id=snapshot_id(manifest))
        path = folder / manifest.id
        if not path.exists():
            text = json.dumps(manifest_to_json(manifest), ensure_ascii=False, indent=2) + "\n"
            (hidden / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
            if take_place(hidden, path):
                return Snapshot(path, manifest, is_new=True)
        return Snapshot(path, replace(read_manifest(path), reasons=built.reasons))


def read_manifest(path: Path) -> SnapshotManifest:
    """What the snapshot in this folder says about itself.

    Raises:
        SnapshotError: there is no snapshot, or its manifest is damaged.
    """
    file = path / MANIFEST
    try:
        return manifest_from_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SnapshotError(
            f"{path} holds no {MANIFEST}; wanted the folder of a snapshot, as `labelloop export` prints it"
        ) from None
    except (ValueError, OSError) as error:
        raise SnapshotError(f"{file} is damaged: {error}; {REMEDY}") from None


def read_rows(path: Path, split: Split) -> Iterator[Row]:
    """The rows of one split, as a stream in the order of task ids.

    The file's sha256 is checked before the first row.

    Raises:
        SnapshotError: the file is missing or is not the one that the manifest describes.
    """
    return _read(path, f"{split.value}.jsonl")


def read_unresolved(path: Path) -> Iterator[Row]:
    """The rows whose annotators disagree, as a stream in the order of task ids.

    Raises:
        SnapshotError: as `read_rows`.
    """
    return _read(path, UNRESOLVED)


def read_moved(path: Path) -> Mapping[int, Split]:
    """The split per task id of those unresolved rows whose texts, changed by a hook, no longer tell it.

    Raises:
        SnapshotError: as `read_rows`.
    """
    if MOVED not in read_manifest(path).files:
        return {}
    moved = {}
    for number, line in _lines(path, MOVED):
        try:
            found = json.loads(line)
            moved[int(found["task_id"])] = Split(found["split"])
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotError(f"{path / MOVED}, line {number}: {error!r}; {REMEDY}") from None
    return moved


def _contents(built: BuiltRows) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    rows = {f"{split.value}.jsonl": built.splits.get(split, ()) for split in Split} | {UNRESOLVED: built.unresolved}
    dropped = ({"task_id": drop.task_id, "reason": drop.reason.value, "of": drop.of} for drop in built.dropped)
    contents: dict[str, Iterable[Mapping[str, Any]]] = {name: map(row_to_json, found) for name, found in rows.items()}
    contents[DROPPED] = dropped
    if built.moved:
        contents[MOVED] = ({"task_id": task_id, "split": split.value} for task_id, split in built.moved.items())
    return contents


def _write_lines(file: Path, values: Iterable[Mapping[str, Any]]) -> str:
    """Write one JSON object a line; returns the file's sha256."""
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for value in values:
            try:
                line = to_line(value).encode()
            except ValueError as error:
                raise SnapshotError(f"{value.get('id')} cannot be written: {error}; correct the task") from None
            digest.update(line)
            out.write(line)
    return digest.hexdigest()


def _read(path: Path, name: str) -> Iterator[Row]:
    for number, line in _lines(path, name):
        try:
            yield row_from_line(line)
        except ValueError as error:
            raise SnapshotError(f"{path / name}, line {number}: {error}; {REMEDY}") from None


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file, numbered from 1, once its sha256 was checked."""
    file, wanted = path / name, read_manifest(path).files.get(name)
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SnapshotError(f"{file} cannot be read: {error.strerror}; {REMEDY}") from None
    if found != wanted:
        raise SnapshotError(
            f"{file} was changed after it was written: sha256 {found[:12]} found, {str(wanted)[:12]} wanted by "
            f"{MANIFEST}; {REMEDY}"
        )
    # Lines end at line feeds alone: texts may hold other characters that Python counts as line ends.
    with file.open(encoding="utf-8", newline="\n") as lines:
        yield from enumerate(lines, start=1)
