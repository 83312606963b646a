"""The demo's folder: empty at each start, and never anybody else's."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigurationError

__all__ = ["fresh_folder"]

MARKER = ".labelloop-demo"


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Empty the folder of what an earlier demo left, and reserve it for this process until the end of the block.

    Raises:
        ConfigurationError: it holds something that is no demo's, or a demo runs in it.
    """
    folder = folder.resolve()
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{folder} exists and was not made by a demo; move it away, or give the demo another home: LABELLOOP_HOME"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # Opened without truncating: until the lock is ours, the number in it is another demo's.
    with os.fdopen(os.open(folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600), "r+") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"a demo runs in {folder} already (process {marker.read().strip() or 'unknown'}); "
                "end it with Ctrl-C, or give this one another home: LABELLOOP_HOME"
            ) from None
        marker.truncate()
        marker.write(f"{os.getpid()}\n")
        marker.flush()
        _empty(folder)
        yield folder


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == MARKER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
