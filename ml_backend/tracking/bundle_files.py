"""A version's files: used where they are when that is this machine, fetched once and whole when it is not."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from ..atomic_files import take_place, unfinished_folder
from ..errors import BundleError
from .connection import Connection

__all__ = ["BundleFiles", "local_path"]


def local_path(source: str) -> Path | None:
    """The folder on this machine that a registered version's source names; None where it is elsewhere."""
    parts = urlparse(source)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(source)


class BundleFiles:
    """Lists the files of runs, and keeps copies of those that lie elsewhere in a cache folder."""

    def __init__(self, connection: Connection, cache: Path) -> None:
        self._connection = connection
        self._cache = cache

    def cached(self, version: str, run_id: str) -> Path:
        """Where the files of a version go that lie elsewhere.

        The run is part of it: a server that was set up anew gives the same version names to other models.
        """
        return self._cache / f"{version}-{run_id[:8]}"

    def sizes(self, run_id: str, artifact_path: str) -> dict[str, int]:
        """Size in bytes of every file that a run logged below a path, by path relative to it."""
        with self._connection.calls() as client:
            found, folders = {}, [artifact_path]
            while folders:
                for entry in client.list_artifacts(run_id, folders.pop()):
                    if entry.is_dir:
                        folders.append(entry.path)
                    else:
                        found[entry.path.removeprefix(f"{artifact_path}/")] = entry.file_size or 0
        return found

    def fetch(self, source: str, sizes: Mapping[str, int], target: Path) -> None:
        """Copy files to the target folder, which appears only once all of them are there.

        Raises:
            BundleError: what arrived is not what was registered.
        """
        with self._connection.calls(), unfinished_folder(self._cache) as draft:
            from mlflow.artifacts import download_artifacts

            arrived = Path(
                download_artifacts(artifact_uri=source, dst_path=str(draft), tracking_uri=self._connection.uri)
            )
            wrong = [name for name, size in sizes.items() if _size(arrived / name) != size]
            if wrong:
                raise BundleError(
                    f"{', '.join(wrong)} at {source} is missing there or has another size than when it was registered; "
                    "restore it, or roll back to another version"
                )
            take_place(arrived, target)  # or not: another process may have fetched the same files first


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
