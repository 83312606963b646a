"""Files and folders that appear complete or not at all: written under another name beside their place, then renamed."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["UNFINISHED", "atomic_file", "atomic_text", "take_place", "unfinished_folder"]

UNFINISHED = ".unfinished-"
"""How the names of files and folders begin that are being written, or that a killed process left."""


@contextmanager
def atomic_file(path: Path, *, is_private: bool = False, is_synced: bool = False) -> Iterator[Path]:
    """Yield the path of an empty file, which takes its place at the end of the block, unless that raises.

    Args:
        is_private: nobody but its owner can read the file.
        is_synced: the contents are on the disk, even after a power cut, before the file takes its place.
    """
    draft = _new_name(path.parent)
    try:
        # With the permissions of any new file, unlike a temporary one, which others can never read.
        draft.touch(0o600 if is_private else 0o666, exist_ok=False)
        yield draft
        if is_synced:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_text(path: Path) -> Iterator[IO[str]]:
    """Yield a UTF-8 text file to write to, which takes its place at the end of the block, unless that raises."""
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder to write into; at the end of the block it is removed, unless it has taken its place."""
    draft = _new_name(parent)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def take_place(draft: Path, path: Path) -> bool:
    """Move a complete folder to its place; return False where another writer was first, whose folder stays.

    An empty folder at the place gives way.
    """
    try:
        draft.rename(path)
    except OSError:
        if not path.exists():
            raise
        return False
    return True


def _new_name(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return parent / f"{UNFINISHED}{secrets.token_hex(8)}"
