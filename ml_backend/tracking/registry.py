"""Models in MLflow's registry: which versions there are, and which one is champion.

A project's versions share one registered model, named after the project's key; version 7 of it is `<key>-v7`.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from ..domain.model import Method, ModelVersion, version_name
from ..errors import JobError, ModelNotFound
from .connection import Connection

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
    from mlflow.entities.model_registry import RegisteredModel

__all__ = ["MlflowRegistry"]

CHAMPION = "champion"
CHALLENGER = "challenger"
# MLflow never gives a number twice, deleted ones included, and does not show deleted ones: this tag remembers them.
LAST_NUMBER = "last_number"
VERSION_NAME = re.compile(r"(?P<key>.+)-v(?P<number>[1-9][0-9]{0,8})")
PAGE = 1000


class MlflowRegistry:
    """Keeps models in a database or on a server. MLflow is imported by the first call, not before.

    Args:
        uri: `sqlite:///<file>`, another database, or a server's URL.
        cache_root: folder for bundles whose files lie elsewhere; files on this machine are used where they are.
    """

    def __init__(self, uri: str, cache_root: Path) -> None:
        self._connection = Connection(uri)
        self._cache_root = cache_root

    def next_number(self, project_key: str) -> int:
        """The number that the next registered version will get."""
        model = self._model(project_key)
        if model is None:
            return 1
        numbers = [int(found.version) for found in self._search(project_key)]
        return max([int(model.tags.get(LAST_NUMBER, 0)), *numbers]) + 1

    def register(
        self,
        project_key: str,
        *,
        number: int,
        run_id: str,
        artifact_path: str,
        method: Method,
        snapshot_id: str,
        label_config_fingerprint: str,
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """Register the bundle that the run logged under `artifact_path`.

        Raises:
            JobError: the number was taken meanwhile; nothing is registered.
        """
        client = self._connection.client()
        if self._model(project_key) is None:
            with _if_there_already():
                client.create_registered_model(project_key)
        registered = client.create_model_version(
            project_key,
            source=f"{client.get_run(run_id).info.artifact_uri}/{artifact_path}",
            run_id=run_id,
            tags={
                "model_version": version_name(project_key, number),
                "method": method.value,
                "snapshot_id": snapshot_id,
                "fingerprint": label_config_fingerprint,
                "metrics": json.dumps(dict(metrics)),
            },
            await_creation_for=0,
        )
        given = int(registered.version)
        if given != number:
            client.delete_model_version(project_key, str(given))
        client.set_registered_model_tag(project_key, LAST_NUMBER, str(given))
        if given != number:
            raise JobError(
                f"version {number} of {project_key} was taken while this one trained (the registry gave {given}); "
                "start the training again"
            )
        return self._version(registered, {})

    def get(self, version: str) -> ModelVersion:
        """A version by its name; its files are fetched, once, if they are on another machine.

        Raises:
            ModelNotFound: there is none.
        """
        found = self._registered(version)
        return self._fetched(found, self._version(found, self._aliases(found.name)))

    def versions(self, project_key: str) -> Sequence[ModelVersion]:
        """All versions of a project, newest first. Files that lie elsewhere are not fetched."""
        model = self._model(project_key)
        if model is None:
            return []
        found = [self._version(entry, model.aliases) for entry in self._search(project_key) if _is_whole(entry)]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def champion(self, project_key: str) -> ModelVersion | None:
        """The version that serves, its files fetched, or None before the first promotion."""
        number = self._aliases(project_key).get(CHAMPION)
        return None if number is None else self.get(version_name(project_key, int(number)))

    def set_champion(self, version: str) -> None:
        """Move the champion alias.

        Raises:
            ModelNotFound: there is no such version.
        """
        self._set_alias(CHAMPION, version)

    def clear_champion(self, project_key: str) -> None:
        """Take the champion alias away, if there is one."""
        if CHAMPION in self._aliases(project_key):
            self._connection.client().delete_registered_model_alias(project_key, CHAMPION)

    def set_challenger(self, version: str) -> None:
        """Move the challenger alias.

        Raises:
            ModelNotFound: there is no such version.
        """
        self._set_alias(CHALLENGER, version)

    def _set_alias(self, alias: str, version: str) -> None:
        found = self._registered(version)
        self._connection.client().set_registered_model_alias(found.name, alias, str(found.version))

    def _model(self, project_key: str) -> "RegisteredModel | None":
        client = self._connection.client()
        with _if_missing():
            return client.get_registered_model(project_key)
        return None

    def _aliases(self, project_key: str) -> Mapping[str, object]:
        model = self._model(project_key)
        return model.aliases if model else {}

    def _search(self, project_key: str) -> "Iterator[RegisteredVersion]":
        token = None
        while True:
            page = self._connection.client().search_model_versions(
                f"name = '{project_key}'", max_results=PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _registered(self, version: str) -> "RegisteredVersion":
        if parts := VERSION_NAME.fullmatch(version):
            client = self._connection.client()
            with _if_missing():
                found = client.get_model_version(parts["key"], parts["number"])
                if _is_whole(found):
                    return found
        raise ModelNotFound(f"the registry knows no model {version!r}; `labelloop models list` shows what there is")

    def _version(self, found: "RegisteredVersion", aliases: Mapping[str, object]) -> ModelVersion:
        number, tags = int(found.version), found.tags
        held = {alias for alias, holder in aliases.items() if int(str(holder)) == number}
        name = version_name(found.name, number)
        return ModelVersion(
            name=name,
            number=number,
            project_key=found.name,
            method=Method(tags["method"]),
            snapshot_id=tags["snapshot_id"],
            path=_local_path(found.source) or self._cache_root / name,
            run_id=found.run_id,
            label_config_fingerprint=tags["fingerprint"],
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            metrics=json.loads(tags["metrics"]),
            is_champion=CHAMPION in held,
            is_challenger=CHALLENGER in held,
        )

    def _fetched(self, found: "RegisteredVersion", version: ModelVersion) -> ModelVersion:
        if _local_path(found.source) or version.path.exists():
            return version
        from mlflow.artifacts import download_artifacts

        self._cache_root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=self._cache_root) as unfinished:
            arrived = download_artifacts(
                artifact_uri=found.source, dst_path=unfinished, tracking_uri=self._connection.uri
            )
            try:
                Path(arrived).rename(version.path)
            except OSError:
                if not version.path.exists():  # else another process fetched the same files first
                    raise
        return version


def _is_whole(found: "RegisteredVersion") -> bool:
    """False for a version whose number was not the one reserved, while it waits for being deleted."""
    return bool(found.tags.get("model_version") == version_name(found.name, int(found.version)))


def _local_path(source: str) -> Path | None:
    parts = urlparse(source)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme else Path(source)


@contextmanager
def _if_missing() -> Iterator[None]:
    """Go on after the block where MLflow does not know what the block asks for."""
    with _if_refused("RESOURCE_DOES_NOT_EXIST"):
        yield


@contextmanager
def _if_there_already() -> Iterator[None]:
    """Go on after the block where another process made it meanwhile."""
    with _if_refused("RESOURCE_ALREADY_EXISTS"):
        yield


@contextmanager
def _if_refused(error_code: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != error_code:
            raise
