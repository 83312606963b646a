"""The plan of a bulk run: what it reads and how that is cut, kept beside the shards for the runs that go on."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import BulkError
from ...labelstudio.files.notes import FileNotes
from ...models.bundle.bundle import MANIFEST_NAME, read_bundle
from ...storage.shared_files import SharedFiles
from .formats.base import BulkFormat, Piece
from .shard import RECORDS

__all__ = ["MANIFEST", "BulkPlan"]

PLAN = "_plan.json"
MANIFEST = "_manifest.json"
HEAD_BYTES = 1 << 16
MB = 1_000_000
LEAST_PIECE, MOST_PIECE = MB // 4, 64 * MB
WORDS = {
    "model_version": "the version",
    "bundle_sha256": "the digest of the version's files",
    "tasks": "--tasks",
    "format": "--format",
    "piece_bytes": "a shard's size in bytes (--shard-mb)",
    "schema_version": "the plan's schema",
}
SHARDS = 2000
"""About as many shards a run has, where their size is not given: enough to keep hundreds of workers busy."""


class _InputFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int
    stamp: str


class BulkPlan(BaseModel):
    """The facts that every run shares that writes to one place. Two equal plans give the same shards.

    Attributes:
        bundle_sha256: of the bundle's list of files and their digests.
        tasks: folder, file or URL that is read.
        files: what lies there, with what tells whether a file was written again.
        format: of the shards.
        piece_bytes: bytes of a file that become one shard, about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    model_version: str
    bundle_sha256: str
    tasks: str
    files: tuple[_InputFile, ...]
    format: str
    piece_bytes: int

    @classmethod
    def of(cls, bundle: Path, tasks: str, target: SharedFiles, format_name: str, shard_mb: float | None) -> "BulkPlan":
        """Return the plan for a version and what lies at a place.

        Args:
            target: where an earlier run may have left its plan, whose size of shards is taken over.
            shard_mb: None: of the earlier run, else by the size of all.

        Raises:
            BundleError: the bundle is missing or damaged.
            BulkError: there are no files.
        """
        source = SharedFiles(tasks)
        try:
            sizes = source.sizes()
            files = tuple(
                _InputFile(name=name, size=size, stamp=source.stamp(name)) for name, size in sizes.items() if size
            )
        except OSError as error:
            raise BulkError(f"{source.url} cannot be read: {error}") from None
        if not files:
            raise BulkError(f"{source.url} holds no file, or empty ones alone; wanted files of tasks")
        total = sum(each.size for each in files)
        before = cls._left_at(target)
        usual = before.piece_bytes if before else min(max(total // SHARDS, LEAST_PIECE), MOST_PIECE)
        return cls(
            model_version=read_bundle(bundle).manifest.model_version,
            bundle_sha256=hashlib.sha256((bundle / MANIFEST_NAME).read_bytes()).hexdigest(),
            tasks=source.url,
            files=files,
            format=format_name,
            piece_bytes=max(int(shard_mb * MB), 1) if shard_mb else usual,
        )

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    def settle(self, target: SharedFiles) -> None:
        """Write the plan where nothing lies yet; where one lies, see that it is the same.

        Raises:
            BulkError: something else lies there, or another version or other tasks were meant there.
        """
        if f"{target.url}/".startswith(f"{self.tasks}/"):
            raise BulkError(f"--out {target.url} lies in the folder of tasks, {self.tasks}; name one outside it")
        before = self._left_at(target)
        if before is not None:
            self._compare(before, target)
            return
        found = list(target.sizes())
        if found:
            raise BulkError(
                f"{target.url} holds {found[0]!r} and is not the place of a bulk run; name a new folder with --out"
            )
        with target.write(PLAN) as draft:
            draft.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    def records(self, target: SharedFiles) -> Iterator[Mapping[str, Any]]:
        """Yield the records of the shards that are there; a shard whose file is gone or was changed counts as not done.

        Raises:
            BulkError: a record cannot be read.
        """
        names = [name for name in target.names(RECORDS) if name.endswith(".json")]
        sizes = target.sizes() if names else {}
        for name in names:
            try:
                record = json.loads(target.read(f"{RECORDS}/{name}"))
                if sizes.get(record["name"]) == record["bytes"]:
                    yield record
            except (ValueError, KeyError, TypeError):
                raise BulkError(f"{target.url}/{RECORDS}/{name} is damaged; remove it, and run again") from None

    def pieces(self, done: Collection[int], notes: FileNotes) -> Iterator[Piece]:
        """Yield the pieces that are not done, in order, with their numbers.

        Raises:
            StudioExportError: a file is damaged, or holds no tasks; raised when the reading gets there.
        """
        source, kinds = SharedFiles(self.tasks), [kind() for kind in BulkFormat.all().values()]
        number = 0
        for file in self.files:
            with source.open(file.name) as opened:
                head = opened.read(HEAD_BYTES)
            chosen = next((kind for kind in kinds if kind.suits(file.name or source.url, head)), None)
            for piece in (chosen or BulkFormat.all()["json"]()).cut(
                source, file.name, file.size, self.piece_bytes, notes
            ):
                if number not in done:
                    yield piece._replace(number=number)
                number += 1

    @classmethod
    def _left_at(cls, target: SharedFiles) -> "BulkPlan | None":
        """Return the plan of an earlier run; None: there was none."""
        if target.size(PLAN) is None:
            return None
        try:
            return cls.model_validate_json(target.read(PLAN))
        except ValidationError:
            raise BulkError(f"{target.path(PLAN)} is damaged or of another labelloop; name a new folder") from None

    def _compare(self, before: "BulkPlan", target: SharedFiles) -> None:
        if before == self:
            return
        differences = [
            f"{words} was {getattr(before, name)} and is {getattr(self, name)}"
            for name, words in WORDS.items()
            if getattr(before, name) != getattr(self, name)
        ]
        earlier, now = ({file.name: file for file in plan.files} for plan in (before, self))
        changed = sorted(name for name in earlier | now if earlier.get(name) != now.get(name))
        if changed and before.tasks == self.tasks:
            verb = "was" if len(changed) == 1 else f"and {len(changed) - 1:,} more were"
            differences.append(f"{changed[0] or self.tasks} {verb} changed, added or removed since")
        raise BulkError(
            f"{target.url} holds shards of another run: {'; '.join(differences)}. Give what that run was given, or "
            "name a new folder with --out"
        )
