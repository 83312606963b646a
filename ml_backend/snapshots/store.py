"""Snapshots on disk: written once and whole, checked at every reading.

Reading is strict. The files are labelloop's own, so an unknown or mistyped key means damage.
"""

import hashlib
import io
import json
import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..atomic_files import take_place, unfinished_folder
from ..domain.example import Row
from ..domain.label_config import LabelConfig
from ..domain.reasons import ReasonCount
from ..domain.row_json import row_to_json, to_line
from ..domain.snapshot import SCHEMA_VERSION, ProjectRef, Snapshot, SnapshotManifest, Split, SplitRule
from ..errors import SnapshotError
from .build import BuiltRows
from .reviewed import BuildSettings

__all__ = ["SnapshotFolder", "write_snapshot"]

UNRESOLVED = "unresolved.jsonl"
DROPPED = "dropped.jsonl"
MOVED = "moved.jsonl"
REMEDY = "delete the folder and export again"
ID_DIGITS = 16
NOT_IN_ID = ("id", "parent", "created_at", "reasons")
BUCKETS = re.compile(r'(?<!"targets)": \{"(?:[^"\\]|\\.)*": \[')
"""An object of lists inside an answer, as the buckets of a ranking are written."""
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
LONGEST_QUOTE = 80
TASK_ID = re.compile(rb'"task_id": (\d{1,19}),')
"""In a line of a row, before any text of the task."""

ValueT = TypeVar("ValueT")


def write_snapshot(
    root: Path,
    built: BuiltRows,
    *,
    project: ProjectRef,
    config: LabelConfig,
    settings: BuildSettings,
    seed: int,
    fields: Sequence[str] = (),
    parent: str | None = None,
    created_at: datetime | None = None,
) -> Snapshot:
    """Write the rows as a snapshot to `<root>/<project key>/<id>/`, and return it.

    The same rows under the same settings have the same id. If it exists already, nothing is written, and that snapshot
    is returned with its original parent and time, but with the reasons of now. Several processes may write at once, and
    a reader never sees a part: the files are made in a hidden folder, which is then moved into place in one step.

    Args:
        fields: as the manifest has them.
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
            fields=tuple(fields),
            parent=parent,
            created_at=created_at.isoformat() if created_at else None,
            reasons=built.reasons,
            split_rule=settings.split_rule,
        )
        manifest = replace(manifest, id=_snapshot_id(manifest))
        path = folder / manifest.id
        if not path.exists():
            text = json.dumps(_manifest_to_json(manifest), ensure_ascii=False, indent=2) + "\n"
            (hidden / SnapshotFolder.MANIFEST).write_text(text, encoding="utf-8", newline="\n")
            if take_place(hidden, path):
                return Snapshot(path, manifest, is_new=True)
        return Snapshot(path, replace(SnapshotFolder(path).manifest(), reasons=built.reasons))


class SnapshotFolder:
    """A snapshot on disk, of which every file is checked before it is believed."""

    MANIFEST = "manifest.json"

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self) -> SnapshotManifest:
        """Return what the snapshot in this folder says about itself.

        Raises:
            SnapshotError: there is no snapshot, or its manifest is damaged.
        """
        file = self._path / self.MANIFEST
        try:
            manifest = _read_manifest(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SnapshotError(
                f"{self._path} holds no {self.MANIFEST}; wanted the folder of a snapshot, as `labelloop export` prints "
                "it"
            ) from None
        except (ValueError, OSError) as error:
            raise SnapshotError(f"{file} is damaged: {error}; {REMEDY}") from None
        return manifest

    def rows(self, split: Split) -> Iterator[Row]:
        """Return the rows of one split, as a stream in the order of task ids.

        The file's sha256 is checked before the first row.

        Raises:
            SnapshotError: the file is missing or is not the one that the manifest describes.
        """
        return self._read(f"{split.value}.jsonl")

    def rows_at(self, split: Split, lines: Collection[int]) -> dict[int, Row]:
        """Return the rows that stand on these lines of a split's file, by line, counted from 0.

        The file is read through once per process; a line that it does not have is left out.

        Raises:
            SnapshotError: as `rows`.
        """
        file = self._path / f"{split.value}.jsonl"
        try:
            state = file.stat()
            starts = _line_starts(file, self.manifest().files.get(file.name), state.st_mtime_ns, state.st_size)
            with file.open("rb") as content:
                found = {}
                for line in sorted(line for line in lines if 0 <= line < len(starts) - 1):
                    content.seek(starts[line])
                    found[line] = self.row_from_line(content.read(starts[line + 1] - starts[line]).decode())
                return found
        except OSError as error:
            raise SnapshotError(f"{file} cannot be read: {error.strerror}; {REMEDY}") from None
        except ValueError as error:
            raise SnapshotError(f"{file}: {error}; {REMEDY}") from None

    def unresolved(self) -> Iterator[Row]:
        """Return the rows whose annotators disagree, as a stream in the order of task ids.

        Raises:
            SnapshotError: as `rows`.
        """
        return self._read(UNRESOLVED)

    def rows_of(self, task_ids: Collection[int]) -> Iterator[Row]:
        """Yield the rows of some tasks, to be shown to people.

        Files are not checked, and most of their lines are not parsed. What cannot be read is left out.
        """
        missing = set(task_ids)
        for name in (*(f"{split.value}.jsonl" for split in Split), UNRESOLVED):
            file = self._path / name
            with file.open("rb") if file.is_file() else io.BytesIO() as lines:
                for line in lines:
                    found = TASK_ID.search(line) if missing else None
                    if found is None or int(found[1]) not in missing:
                        continue
                    missing.discard(int(found[1]))
                    try:
                        yield self.row_from_line(line.decode())
                    except ValueError:
                        continue

    def lines(self, split: Split) -> Iterator[tuple[int, str]]:
        """Yield the lines of one split's file, numbered from 1; a row each, see `row_from_line`.

        Raises:
            SnapshotError: as `rows`.
        """
        return self._lines(f"{split.value}.jsonl")

    def moved(self) -> Mapping[int, Split]:
        """Return the split by task id of those unresolved rows to which the hash of their text gives another one.

        Raises:
            SnapshotError: as `rows`.
        """
        if MOVED not in self.manifest().files:
            return {}
        moved = {}
        for number, line in self._lines(MOVED):
            try:
                entry = json.loads(line)
                moved[int(entry["task_id"])] = Split(entry["split"])
            except (ValueError, KeyError, TypeError) as error:
                raise SnapshotError(f"{self._path / MOVED}, line {number}: {error!r}; {REMEDY}") from None
        return moved

    @staticmethod
    def row_from_line(line: str) -> Row:
        """Return the row that a line of a snapshot's file describes.

        Raises:
            ValueError: the line is not JSON, or not a row; the message names the place.
        """
        if BUCKETS.search(line):
            line = _with_listed_buckets(line)
        if not HALF_CHARACTER.search(line):
            return _from_json(_row_reader(), line)
        # The parser of JSON refuses half a surrogate pair. So the line is checked with other characters in such places,
        # and then read by Python's own parser, which accepts them.
        _from_json(_row_reader(), HALF_CHARACTER.sub(r"\\u00", line))
        return _row_reader().validate_python(json.loads(line))

    def _read(self, name: str) -> Iterator[Row]:
        for number, line in self._lines(name):
            try:
                yield self.row_from_line(line)
            except ValueError as error:
                raise SnapshotError(f"{self._path / name}, line {number}: {error}; {REMEDY}") from None

    def _lines(self, name: str) -> Iterator[tuple[int, str]]:
        """Yield the lines of a file, numbered from 1, once its sha256 was checked."""
        file = self._path / name
        try:
            _check_digest(file, self.manifest().files.get(name))
        except OSError as error:
            raise SnapshotError(f"{file} cannot be read: {error.strerror}; {REMEDY}") from None
        # Lines end at line feeds alone: texts may hold other characters that Python counts as line ends.
        with file.open(encoding="utf-8", newline="\n") as lines:
            yield from enumerate(lines, start=1)


def _with_listed_buckets(line: str) -> str:
    """Return a row's line with lists of name and ids in place of the objects that buckets are written as."""
    row = json.loads(line)
    answers = [row, *row["labels"]] if isinstance(row, dict) and isinstance(row.get("labels"), list) else []
    for targets in (each.get("targets") for each in answers if isinstance(each, dict)):
        if isinstance(targets, dict):
            buckets = {name: list(map(list, target.items())) for name, target in targets.items() if _is_object(target)}
            targets.update(buckets)
    return json.dumps(row)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _check_digest(file: Path, digest: str | None) -> None:
    """Raise a SnapshotError where a file is not the one that the manifest describes."""
    with file.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if actual != digest:
        raise SnapshotError(
            f"{file} was changed after it was written: sha256 {actual[:12]} found, {str(digest)[:12]} wanted by "
            f"{SnapshotFolder.MANIFEST}; {REMEDY}"
        )


@lru_cache(maxsize=64)
def _line_starts(file: Path, digest: str | None, _changed_ns: int, _size: int) -> Sequence[int]:
    """Return where each line of a checked file begins, and where the last one ends."""
    _check_digest(file, digest)
    with file.open("rb") as lines:
        return array("Q", accumulate(map(len, lines), initial=0))


def _from_json(reader: TypeAdapter[ValueT], text: str) -> ValueT:
    try:
        return reader.validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        # Where several forms are possible, the one that fits furthest says most.
        problem = max(error.errors(include_url=False), key=lambda each: len(each["loc"]))
        place = ".".join(map(str, problem["loc"])) or "JSON"
        value = repr(problem["input"])
        quote = value if len(value) <= LONGEST_QUOTE else f"{value[:LONGEST_QUOTE]}..."
        raise ValueError(f"{place}: {quote} found; {problem['msg']}") from None


# Readers are made when they are first needed, since that takes milliseconds.
@cache
def _row_reader() -> TypeAdapter[Row]:
    return TypeAdapter(Row)


@cache
def _manifest_reader() -> TypeAdapter[SnapshotManifest]:
    return TypeAdapter(SnapshotManifest)


def _manifest_to_json(manifest: SnapshotManifest) -> dict[str, Any]:
    """Return the manifest as a JSON object, keys in the order in which a reader asks for them."""
    values = asdict(manifest) | {
        "warnings": list(manifest.warnings),
        "reasons": ReasonCount.list_to_json(manifest.reasons),
    }
    if manifest.split_rule is SplitRule.TEXT:
        del values["split_rule"]  # so that ids of the same rows stay as they were before there was another rule
    if not manifest.fields:
        del values["fields"]
    return {"schema_version": values.pop("schema_version"), **values}


def _read_manifest(text: str) -> SnapshotManifest:
    """Return the manifest that a JSON text describes.

    Raises:
        ValueError: another schema version, an unknown or missing key, a wrong type, or contents that do not give
            the id that they carry.
    """
    values = json.loads(text)
    if isinstance(values, dict) and values.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise ValueError(
            f"schema version {values['schema_version']!r} found; this labelloop reads {SCHEMA_VERSION}: "
            "use the version that wrote it, or export again"
        )
    manifest = _from_json(_manifest_reader(), text)
    if _snapshot_id(manifest) != manifest.id:
        raise ValueError(f"its contents do not give its id {manifest.id}, so it was changed after it was written")
    return manifest


def _snapshot_id(manifest: SnapshotManifest) -> str:
    """Return a prefix of the sha256 over all that the manifest says of its rows, their files' sha256 included."""
    values = {key: value for key, value in _manifest_to_json(manifest).items() if key not in NOT_IN_ID}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


def _contents(built: BuiltRows) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    rows = {f"{split.value}.jsonl": built.splits.get(split, ()) for split in Split} | {UNRESOLVED: built.unresolved}
    dropped = ({"task_id": drop.task_id, "reason": drop.reason.value, "of": drop.of} for drop in built.dropped)
    contents: dict[str, Iterable[Mapping[str, Any]]] = {name: map(row_to_json, group) for name, group in rows.items()}
    contents[DROPPED] = dropped
    if built.moved:
        contents[MOVED] = ({"task_id": task_id, "split": split.value} for task_id, split in built.moved.items())
    return contents


def _write_lines(file: Path, values: Iterable[Mapping[str, Any]]) -> str:
    """Write one JSON object a line, and return the file's sha256."""
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
