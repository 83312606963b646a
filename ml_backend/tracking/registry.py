"""Models in MLflow's registry: a record of which versions there are, where their files lie, and which one serves.

A project's versions share one registered model, named after the project's key; version 7 of it is `<key>-v7`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack
from urllib.parse import urlparse
from urllib.request import url2pathname

from ..atomic_files import take_place, unfinished_folder
from ..domain.model import Method, ModelVersion
from ..domain.ports import NewVersion
from ..errors import BundleError, JobError, ModelNotFound
from .connection import MlflowConnection

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
    from mlflow.entities.model_registry import RegisteredModel

__all__ = ["MlflowRegistry"]

CHAMPION = "champion"
CHALLENGER = "challenger"
# MLflow never gives a number twice, deleted ones included, and does not show deleted ones: this tag remembers them.
LAST_NUMBER = "last_number"
PAGE = 1000

_Answer = TypeVar("_Answer")


class MlflowRegistry:
    """Keeps models in a database or on a server.

    MLflow is imported by the first call that needs it, not before.

    Every method raises TrackingError where MLflow does not answer, or refuses.

    Args:
        uri: `sqlite:///<file>`, another database, or a server's URL.
        cache: folder for bundles whose files lie elsewhere; files on this machine are used where they are.
    """

    def __init__(self, uri: str, cache: Path) -> None:
        self._connection = MlflowConnection(uri)
        self._files = _BundleFiles(self._connection, cache)

    def next_number(self, project_key: str) -> int:
        """Return the number that the next registered version will get."""
        with self._connection.calls() as client:
            model = _model(client, project_key)
            if model is None:
                return 1
            numbers = [int(entry.version) for entry in _search(client, project_key)]
            return max([int(model.tags.get(LAST_NUMBER, 0)), *numbers]) + 1

    def register(self, project_key: str, **new: Unpack[NewVersion]) -> ModelVersion:
        """Register the bundle that the run logged under `artifact_path`, as the challenger.

        Its number is the one from `next_number`, or a higher one.

        Raises:
            JobError: the number was taken meanwhile, or the run logged no file there; nothing is registered.
        """
        number, run_id, artifact_path = new["number"], new["run_id"], new["artifact_path"]
        with self._connection.calls() as client:
            sizes = self._files.sizes(run_id, artifact_path)
            if not sizes:
                raise JobError(f"run {run_id} logged no file under {artifact_path!r}; log the bundle, then register it")
            if _model(client, project_key) is None:
                # Another process may make it meanwhile.
                _unless("RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model(project_key))
            create = partial(
                client.create_model_version,
                project_key,
                source=f"{client.get_run(run_id).info.artifact_uri}/{artifact_path}",
                run_id=run_id,
                tags={
                    "model_version": ModelVersion.name_of(project_key, number),
                    "method": new["method"].value,
                    "snapshot_id": new["snapshot_id"],
                    "fingerprint": new["label_config_fingerprint"],
                    "metrics": json.dumps(dict(new["metrics"])),
                    "files": json.dumps(sizes),
                },
                await_creation_for=0,
            )
            registered = create()
            while (serial := int(registered.version)) < number:
                # A new store starts at 1 again: register until the names that are taken are used up.
                client.delete_model_version(project_key, str(serial))
                registered = create()
            client.set_registered_model_tag(project_key, LAST_NUMBER, str(serial))
            if serial != number:
                client.delete_model_version(project_key, str(serial))
                raise JobError(
                    f"version {number} of {project_key} was taken while this one trained (the registry gave {serial}); "
                    "start the training again"
                )
            client.set_registered_model_alias(project_key, CHALLENGER, str(serial))
            return self._version(registered, {})

    def project_keys(self) -> Sequence[str]:
        """Return the keys of the projects that have registered a version; other models on the server are left out."""
        if self._connection.is_new:
            return []
        with self._connection.calls() as client:
            return sorted(model.name for model in _pages(client.search_registered_models) if LAST_NUMBER in model.tags)

    def versions(self, project_key: str) -> Sequence[ModelVersion]:
        """Return all versions of a project, newest first. Files that lie elsewhere are not fetched."""
        with self._connection.calls() as client:
            model = _model(client, project_key)
            if model is None:
                return []
            whole = [self._version(entry, model.aliases) for entry in _search(client, project_key) if _is_whole(entry)]
        return sorted(whole, key=lambda version: version.number, reverse=True)

    def fetch(self, version: ModelVersion) -> None:
        """Copy a version's files to its path, once, unless they lie on this machine anyway.

        Raises:
            ModelNotFound: MLflow does not know the version.
            BundleError: the files did not arrive whole.
        """
        if version.path.exists() or not self._files.is_cached(version.path):
            return
        with self._connection.calls() as client:
            entry = _find(client, version.project_key, str(version.number))
            if entry is None:
                raise ModelNotFound(f"MLflow knows no model {version.name!r}, and its files are not on this machine")
            self._files.fetch(str(entry.source), json.loads(entry.tags["files"]), version.path)

    def set_champion(self, project_key: str, version: str | None) -> str | None:
        """Let the alias name a version, or none; returns the one that it named before.

        Raises:
            ModelNotFound: MLflow does not know the version; the alias names none then.
        """
        with self._connection.calls() as client:
            model = _model(client, project_key)
            holder = model.aliases.get(CHAMPION) if model else None
            before = None if holder is None else ModelVersion.name_of(project_key, int(str(holder)))
            if before == version:
                return before
            number = version.rpartition("-v")[2] if version else ""
            is_known = bool(model and number) and _find(client, project_key, number) is not None
            if is_known:
                client.set_registered_model_alias(project_key, CHAMPION, number)
            elif before is not None:
                client.delete_registered_model_alias(project_key, CHAMPION)
            if version is not None and not is_known:
                raise ModelNotFound(
                    f"MLflow knows no model {version!r}: its database was deleted, or replaced by another or older one"
                )
            return before

    def _version(self, entry: "RegisteredVersion", aliases: Mapping[str, object]) -> ModelVersion:
        number, tags = int(entry.version), entry.tags
        name, run_id = ModelVersion.name_of(entry.name, number), str(entry.run_id)
        return ModelVersion(
            name=name,
            number=number,
            project_key=entry.name,
            method=Method(tags["method"]),
            snapshot_id=tags["snapshot_id"],
            path=_local_path(str(entry.source)) or self._files.cached(name, run_id),
            run_id=run_id,
            label_config_fingerprint=tags["fingerprint"],
            created_at=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
            metrics=json.loads(tags["metrics"]),
            is_champion=str(aliases.get(CHAMPION)) == str(number),
        )


def _model(client: "MlflowClient", project_key: str) -> "RegisteredModel | None":
    return _unless("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(project_key))


def _pages(search: Callable[..., Any], **query: str) -> Iterator[Any]:
    """Yield all that a search finds, page by page."""
    token = None
    while True:
        page = search(**query, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _search(client: "MlflowClient", project_key: str) -> "Iterator[RegisteredVersion]":
    return _pages(client.search_model_versions, filter_string=f"name = '{project_key}'")


def _find(client: "MlflowClient", project_key: str, number: str) -> "RegisteredVersion | None":
    entry = _unless("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(project_key, number))
    return entry if entry is not None and _is_whole(entry) else None


def _is_whole(entry: "RegisteredVersion") -> bool:
    """False for a version whose number was not the one reserved, while it waits for being deleted."""
    return bool(entry.tags.get("model_version") == ModelVersion.name_of(entry.name, int(entry.version)))


def _unless(error_code: str, call: Callable[[], _Answer]) -> _Answer | None:
    """Return what a call returns; None where MLflow refuses it with this code."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if error.error_code != error_code:
            raise
        return None


class _BundleFiles:
    """Lists the files of runs, and keeps copies of those that lie elsewhere in a cache folder."""

    def __init__(self, connection: MlflowConnection, cache: Path) -> None:
        self._connection = connection
        self._cache = cache

    def cached(self, version: str, run_id: str) -> Path:
        """Return the folder for a version's files that lie elsewhere.

        The run is part of it: a server that was set up anew gives the same version names to other models.
        """
        return self._cache / f"{version}-{run_id[:8]}"

    def is_cached(self, path: Path) -> bool:
        """Return whether the path is one that `cached` gives, so that its files lie elsewhere."""
        return path.parent == self._cache

    def sizes(self, run_id: str, artifact_path: str) -> dict[str, int]:
        """Return the size in bytes of every file that a run logged below a path, by path relative to it."""
        with self._connection.calls() as client:
            sizes, folders = {}, [artifact_path]
            while folders:
                for entry in client.list_artifacts(run_id, folders.pop()):
                    if entry.is_dir:
                        folders.append(entry.path)
                    else:
                        sizes[entry.path.removeprefix(f"{artifact_path}/")] = entry.file_size or 0
        return sizes

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


def _local_path(source: str) -> Path | None:
    """Return the folder on this machine that a registered version's source names; None where it is elsewhere."""
    parts = urlparse(source)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(source)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
