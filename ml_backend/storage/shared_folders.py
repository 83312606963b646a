"""Folders that one machine writes and all need: kept in one place, and copied to each machine that asks for them."""

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from ..atomic_files import UNFINISHED, take_place, unfinished_folder
from ..errors import StateError
from .shared_files import SharedFiles

__all__ = ["SharedFolders"]

KEPT_S = 3600.0
"""A copy that was asked for so recently may be in use, and is not removed."""


class SharedFolders:
    """Folders by name, which never change. Without a place, nothing is kept and nothing is found.

    A folder is its files under their sha256, below its name, and a list that appears last: until then it is not there.

    Args:
        place: folder or URL; empty: none.
        cache: folder of this machine for copies.
        limit_bytes: what the copies may take up; above it, those that were not asked for the longest time are removed.
    """

    def __init__(self, place: str = "", cache: Path = Path(), limit_bytes: int = 0) -> None:
        self._place, self._cache, self._limit_bytes = place, cache, limit_bytes
        self._guard = threading.Lock()

    def keep(self, name: str, folder: Path) -> None:
        """Keep a folder, unless one of this name is there.

        Raises:
            StateError: the place cannot be reached, or is full; it may pass.
        """
        if not self._place:
            return
        try:
            if self._files.size(f"{name}.json") is not None:
                return
            listed = {}
            for path in _files_in(folder):
                digest = listed[path.relative_to(folder).as_posix()] = _sha256(path)
                with self._files.write(f"{name}/{digest}") as draft:
                    shutil.copyfile(path, draft)
            with self._files.write(f"{name}.json") as draft:
                draft.write_text(json.dumps(listed), encoding="utf-8")
        except OSError as error:
            raise StateError(f"{folder} cannot be kept at {self._place}: {error}", is_passing=True) from error

    def find(self, name: str) -> Path | None:
        """Return a copy of a folder, which is made where there is none on this machine; None: nobody has kept it.

        Raises:
            StateError: the place cannot be reached, which may pass; or a file there is not the one that was kept.
        """
        if not self._place:
            return None
        copy = self._cache / name.replace("/", "--")
        with self._guard:
            try:
                if not copy.exists():
                    if self._files.size(f"{name}.json") is None:
                        return None
                    self._copy(name, json.loads(self._files.read(f"{name}.json")), copy)
                os.utime(copy)
            except OSError as error:
                raise StateError(f"{name} cannot be read from {self._place}: {error}", is_passing=True) from error
        return copy

    def drop(self, name: str) -> None:
        """Remove a folder, or all whose names begin with this one and a slash; one that cannot be removed stays.

        Nobody may be about to read one.
        """
        if self._place:
            with suppress(OSError):
                self._files.remove(f"{name}.json")  # first: a folder without its list is not there
                self._files.remove(name)

    @property
    def is_used(self) -> bool:
        """True where there is a place."""
        return bool(self._place)

    @cached_property
    def _files(self) -> SharedFiles:
        return SharedFiles(self._place)

    def _copy(self, name: str, listed: Mapping[str, str], copy: Path) -> None:
        with unfinished_folder(self._cache) as draft:
            for path, wanted in listed.items():
                target = draft / path
                if not target.resolve().is_relative_to(draft.resolve()):
                    raise StateError(f"the list of {name} at {self._place} names {path!r}, outside the folder")
                target.parent.mkdir(parents=True, exist_ok=True)
                with self._files.open(f"{name}/{wanted}") as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                found = _sha256(target)
                if found != wanted:
                    raise StateError(
                        f"{path} of {name} at {self._place} has sha256 {found[:12]}; {wanted[:12]} was kept: restore it"
                    )
            self._make_room(sum(file.stat().st_size for file in _files_in(draft)))
            take_place(draft, copy)  # or not: another process may have copied the same

    def _make_room(self, size: int) -> None:
        copies = [each for each in self._cache.iterdir() if not each.name.startswith(UNFINISHED)]
        sizes = {each: sum(file.stat().st_size for file in _files_in(each)) for each in copies}
        taken = size + sum(sizes.values())
        for each in sorted(copies, key=lambda copy: copy.stat().st_mtime):
            if taken <= self._limit_bytes or time.time() - each.stat().st_mtime < KEPT_S:
                return
            shutil.rmtree(each, ignore_errors=True)
            taken -= sizes[each]


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
