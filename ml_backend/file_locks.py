"""Locks that are files: one process at a time holds each, and the system frees those of a process that dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["file_lock"]


@contextmanager
def file_lock(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold a lock for the block, once no other process holds it, and yield True.

    Args:
        waits: False: yield False at once where another process holds the lock.
    """
    # The file stays: whoever removed it could take it from under a process that waits for the lock.
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
