"""The folder of a job's checkpoints, which follows the job to another machine."""

import shutil
from pathlib import Path
from secrets import token_hex

from ...storage.shared_folders import SharedFolders

__all__ = ["TravellingFolder"]

MARK = ".kept-as"


class TravellingFolder:
    """A folder of this machine, and the copies of it in the place that machines share. The job's row names the latest.

    Where machines share no place, nothing is copied.

    Args:
        name: the copies' names begin with it and a slash.
    """

    def __init__(self, folder: Path, name: str, shared: SharedFolders) -> None:
        self._folder, self._name, self._shared = folder, name, shared

    def arrive(self, kept: str | None) -> None:
        """Put the latest copy in the folder's place, unless it was made from the folder as it is here.

        Args:
            kept: what `depart` returned last, on whatever machine.

        Raises:
            StateError: the copy cannot be read.
        """
        mark = self._folder / MARK
        if not kept or not self._shared.is_used or (mark.exists() and mark.read_text(encoding="ascii") == kept):
            return
        copy = self._shared.find(f"{self._name}/{kept}")
        if copy is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            shutil.copytree(copy, self._folder)

    def depart(self) -> str | None:
        """Copy the folder as it is now, and return what `arrive` needs; None: there is nothing to copy.

        Raises:
            StateError: it cannot be copied; it may pass.
        """
        if not self._shared.is_used or not self._folder.is_dir():
            return None
        kept = token_hex(8)
        (self._folder / MARK).write_text(kept, encoding="ascii")
        self._shared.keep(f"{self._name}/{kept}", self._folder)
        return kept

    def forget(self, kept: str) -> None:
        """Remove an earlier copy, which no row names any more."""
        self._shared.drop(f"{self._name}/{kept}")
