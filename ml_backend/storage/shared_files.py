"""Files that several machines share: a folder of this machine or of a network drive, or any URL that fsspec knows."""

import io
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..atomic_files import UNFINISHED, atomic_file
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["SharedFiles"]

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
"""Protocols by which a file that is uploaded appears once it is complete; elsewhere it is renamed when it is."""
STAMPS = ("ETag", "etag", "LastModified", "mtime", "updated", "created")
"""Facts that file systems tell of a file and that change when somebody writes it again, the surest first."""


class SharedFiles:
    """The files below a folder or a URL, by their paths relative to it, or one file, whose relative path is "".

    Files appear whole or not at all. Errors are OSErrors, as for files of this machine.

    Args:
        place: a folder or file, or a URL such as `s3://bucket/folder`. Credentials are those that fsspec finds.

    Raises:
        ConfigurationError: fsspec does not know such URLs, or needs a package for them.
    """

    def __init__(self, place: str | Path) -> None:
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        self.url = str(place) if "://" in str(place) else str(Path(place).absolute())
        try:
            self._fs: AbstractFileSystem
            self._fs, root = url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"{self.url}: {error}; wanted a folder, or a URL that fsspec can open") from None
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self._root = root.rstrip("/") or root

    def path(self, name: str = "") -> str:
        """Return a file's path, as the file system has it."""
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of every file by its relative path, in alphabetical order.

        Left out are files that a name on their path marks as hidden or as somebody's own records: one that begins
        with a dot or an underscore. An empty mapping: there is nothing.
        """
        self._fs.invalidate_cache()
        found: Mapping[str, Any] = self._fs.find(self._root, detail=True)
        sizes = {}
        for path, facts in found.items():
            name = path.removeprefix(self._root).strip("/")
            if not any(part.startswith((".", "_")) for part in PurePosixPath(name).parts):
                sizes[name] = int(facts["size"])
        return dict(sorted(sizes.items()))

    def names(self, folder: str) -> list[str]:
        """Return the names of the files that lie in a folder, in alphabetical order; none where there is no folder."""
        self._fs.invalidate_cache()
        try:
            entries = self._fs.ls(self.path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for each in entries if not (name := PurePosixPath(each).name).startswith(UNFINISHED))

    def stamp(self, name: str = "") -> str:
        """Return what changes when somebody writes the file again: its ETag, or the time of its last change."""
        facts = self._fs.info(self.path(name))
        return next((str(facts[key]) for key in STAMPS if facts.get(key) is not None), "")

    def size(self, name: str = "") -> int | None:
        """Return a file's size in bytes; None where there is none."""
        self._fs.invalidate_cache()
        try:
            facts = self._fs.info(self.path(name))
        except FileNotFoundError:
            return None
        return int(facts["size"]) if facts["type"] == "file" else None

    def open(self, name: str = "") -> io.BufferedReader:
        """Open a file for reading at any place."""
        path = self.path(name)
        # The files of fsspec have not all methods of Python's.
        return Path(path).open("rb") if self.is_local else io.BufferedReader(self._fs.open(path, "rb"))

    def read(self, name: str = "") -> bytes:
        """Return the contents of a file."""
        with self.open(name) as file:
            return file.read()

    @contextmanager
    def write(self, name: str) -> Iterator[Path]:
        """Yield the path of an empty file here, which takes its place at the end of the block, unless that raises."""
        path = self.path(name)
        if self.is_local:
            with atomic_file(Path(path)) as draft:
                yield draft
            return
        with TemporaryDirectory() as folder:
            draft = Path(folder) / "draft"
            draft.touch()
            yield draft
            self._put(draft, path)

    def remove(self, folder: str) -> None:
        """Remove a folder with all that lies in it, or a file, if it is there."""
        if self.is_local:
            shutil.rmtree(self.path(folder), ignore_errors=True)
            Path(self.path(folder)).unlink(missing_ok=True)
        elif self._fs.exists(self.path(folder)):
            self._fs.rm(self.path(folder), recursive=True)

    def remove_drafts(self) -> None:
        """Remove what killed processes left half-written at the top of the folder. Nobody may be writing there."""
        for path in self._fs.ls(self._root, detail=False):
            if PurePosixPath(path).name.startswith(UNFINISHED):
                self._fs.rm_file(path)

    def _put(self, draft: Path, path: str) -> None:
        parent, _, name = path.rpartition("/")
        self._fs.makedirs(parent, exist_ok=True)
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        if protocols & OBJECT_STORES:
            self._fs.put_file(str(draft), path)
            return
        beside = f"{parent}/{UNFINISHED}{name}"
        self._fs.put_file(str(draft), beside)
        self._fs.mv(beside, path)
