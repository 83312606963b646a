"""Models in MLflow's registry: which versions there are, and which one is champion.

A project's versions share one registered model, named after the project's key; version 7 of it is `<key>-v7`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..domain.model import Method, ModelVersion, version_name
from ..errors import JobError, ModelNotFound
from .aliases import AliasTable, Holder, NotReadable
from .bundle_files import BundleFiles, local_path
from .connection import Connection

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
    from mlflow.entities.model_registry import RegisteredModel

__all__ = ["MlflowRegistry"]

CHAMPION = "champion"
CHALLENGER = "challenger"
# MLflow never gives a number twice, deleted ones included, and does not show deleted ones: this tag remembers them.
LAST_NUMBER = "last_number"
VERSION_NAME = re.compile(r"(?P<key>.+)-v(?P<number>[1-9][0-9]{0,8})")
PAGE = 1000

_Answer = TypeVar("_Answer")


class MlflowRegistry:
    """Keeps models in a database or on a server.

    MLflow is imported by the first call, not before; `champion` can do without where a database keeps the models.

    Every method raises TrackingError where MLflow does not answer, or refuses.

    Args:
        uri: `sqlite:///<file>`, another database, or a server's URL.
        cache: folder for bundles whose files lie elsewhere; files on this machine are used where they are.
    """

    def __init__(self, uri: str, cache: Path) -> None:
        self._connection = Connection(uri)
        self._files = BundleFiles(self._connection, cache)
        self._aliases = AliasTable(uri)

    def next_number(self, project_key: str) -> int:
        """The number that the next registered version will get."""
        with self._connection.calls() as client:
            model = _model(client, project_key)
            if model is None:
                return 1
            numbers = [int(found.version) for found in _search(client, project_key)]
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

        Args:
            number: the number from `next_number`, or a higher one.

        Raises:
            JobError: the number was taken meanwhile, or the run logged no file there; nothing is registered.
        """
        name = version_name(project_key, number)
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
                    "model_version": name,
                    "method": method.value,
                    "snapshot_id": snapshot_id,
                    "fingerprint": label_config_fingerprint,
                    "metrics": json.dumps(dict(metrics)),
                    "files": json.dumps(sizes),
                },
                await_creation_for=0,
            )
            registered = create()
            while (given := int(registered.version)) < number:
                # A new store starts at 1 again: register until the names that are taken are used up.
                client.delete_model_version(project_key, str(given))
                registered = create()
            client.set_registered_model_tag(project_key, LAST_NUMBER, str(given))
            if given != number:
                client.delete_model_version(project_key, str(given))
                raise JobError(
                    f"version {number} of {project_key} was taken while this one trained (the registry gave {given}); "
                    "start the training again"
                )
            return self._version(registered, {})

    def get(self, version: str) -> ModelVersion:
        """A version by its name; its files are fetched, once, if they are on another machine.

        Raises:
            ModelNotFound: there is none.
            BundleError: its files did not arrive whole.
        """
        with self._connection.calls() as client:
            found = _registered(client, version)
            return self._at_hand(found, _aliases(client, found.name))

    def project_keys(self) -> Sequence[str]:
        """Keys of the projects that have registered a version; other models on the same server are left out."""
        with self._connection.calls() as client:
            return sorted(model.name for model in _models(client) if LAST_NUMBER in model.tags)

    def versions(self, project_key: str) -> Sequence[ModelVersion]:
        """All versions of a project, newest first. Files that lie elsewhere are not fetched."""
        with self._connection.calls() as client:
            model = _model(client, project_key)
            if model is None:
                return []
            found = [self._version(entry, model.aliases) for entry in _search(client, project_key) if _is_whole(entry)]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def champion(self, project_key: str) -> ModelVersion | None:
        """The version that serves, its files fetched, or None before the first promotion."""
        try:
            found = self._aliases.holder(project_key, CHAMPION)
        except NotReadable:
            with self._connection.calls() as client:
                number = _aliases(client, project_key).get(CHAMPION)
            return None if number is None else self.get(version_name(project_key, int(str(number))))
        if found is None:
            return None
        if not _is_whole(found):
            raise _unknown(version_name(project_key, found.version))
        return self._at_hand(found, found.aliases)

    def set_champion(self, version: str) -> None:
        """Move the champion alias.

        Raises:
            ModelNotFound: there is no such version.
        """
        self._set_alias(CHAMPION, version)

    def clear_champion(self, project_key: str) -> None:
        """Take the champion alias away, if there is one."""
        with self._connection.calls() as client:
            if CHAMPION in _aliases(client, project_key):
                client.delete_registered_model_alias(project_key, CHAMPION)

    def set_challenger(self, version: str) -> None:
        """Move the challenger alias.

        Raises:
            ModelNotFound: there is no such version.
        """
        self._set_alias(CHALLENGER, version)

    def _set_alias(self, alias: str, version: str) -> None:
        with self._connection.calls() as client:
            found = _registered(client, version)
            client.set_registered_model_alias(found.name, alias, str(found.version))

    def _at_hand(self, found: "RegisteredVersion | Holder", aliases: Mapping[str, object]) -> ModelVersion:
        """The version, its files fetched if they are on another machine and were not fetched before."""
        known = self._version(found, aliases)
        if local_path(str(found.source)) is None and not known.path.exists():
            self._files.fetch(str(found.source), json.loads(found.tags["files"]), known.path)
        return known

    def _version(self, found: "RegisteredVersion | Holder", aliases: Mapping[str, object]) -> ModelVersion:
        number, tags = int(found.version), found.tags
        held = {alias for alias, holder in aliases.items() if int(str(holder)) == number}
        name, run_id = version_name(found.name, number), str(found.run_id)
        return ModelVersion(
            name=name,
            number=number,
            project_key=found.name,
            method=Method(tags["method"]),
            snapshot_id=tags["snapshot_id"],
            path=local_path(str(found.source)) or self._files.cached(name, run_id),
            run_id=run_id,
            label_config_fingerprint=tags["fingerprint"],
            created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            metrics=json.loads(tags["metrics"]),
            is_champion=CHAMPION in held,
            is_challenger=CHALLENGER in held,
        )


def _model(client: "MlflowClient", project_key: str) -> "RegisteredModel | None":
    return _unless("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model(project_key))


def _models(client: "MlflowClient") -> "Iterator[RegisteredModel]":
    token = None
    while True:
        page = client.search_registered_models(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _aliases(client: "MlflowClient", project_key: str) -> Mapping[str, object]:
    model = _model(client, project_key)
    return model.aliases if model else {}


def _search(client: "MlflowClient", project_key: str) -> "Iterator[RegisteredVersion]":
    token = None
    while True:
        page = client.search_model_versions(f"name = '{project_key}'", max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _registered(client: "MlflowClient", version: str) -> "RegisteredVersion":
    if parts := VERSION_NAME.fullmatch(version):
        key, number = parts["key"], parts["number"]
        found = _unless("RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(key, number))
        if found is not None and _is_whole(found):
            return found
    raise _unknown(version)


def _unknown(version: str) -> ModelNotFound:
    return ModelNotFound(f"the registry knows no model {version!r}; `labelloop models list` shows what there is")


def _is_whole(found: "RegisteredVersion | Holder") -> bool:
    """False for a version whose number was not the one reserved, while it waits for being deleted."""
    return bool(found.tags.get("model_version") == version_name(found.name, int(found.version)))


def _unless(error_code: str, call: Callable[[], _Answer]) -> _Answer | None:
    """What a call returns; None where MLflow refuses it with this code."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        if error.error_code != error_code:
            raise
        return None
