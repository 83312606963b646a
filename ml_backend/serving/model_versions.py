"""The versions that were trained, and which of them serves: rows of the database, and the files that they name.

MLflow records runs, versions and files too, and its alias `champion` repeats what the rows say. It is asked only where
a version is made, and for files that lie on another machine, so a process that serves needs no MLflow.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from ..domain.model import ModelVersion
from ..domain.ports import ModelRegistry, NewVersion
from ..domain.project import Project
from ..errors import BundleError, ModelNotFound, StateError
from ..storage.repositories.versions import VersionRepository
from ..storage.shared_folders import SharedFolders

__all__ = ["ModelVersions"]

# It holds the digests of all other files of a bundle, so its digest stands for the whole bundle.
BUNDLE_MANIFEST = "bundle.json"


class ModelVersions:
    """Answers for all of labelloop which versions there are, where their files lie, and which of them serves.

    The rows of a database that an earlier release used may lack versions that MLflow knows. They are copied from
    there once, by the first question that the rows cannot answer; every method may raise a TrackingError then.

    Args:
        home: folder to which the paths of versions below it are stored relative, so that the state can be moved.
        shared: where the files of new versions are kept for other machines; None: nowhere.
    """

    def __init__(
        self, rows: VersionRepository, registry: ModelRegistry, home: Path, shared: SharedFolders | None = None
    ) -> None:
        self._rows = rows
        self._registry = registry
        self._home = home
        self._shared = shared or SharedFolders()
        self._guard = threading.Lock()
        self._is_complete = False

    def champion(self, project_key: str) -> ModelVersion | None:
        """Return the version that serves, or None where the cold start does. This is the one answer to that question.

        Its files need not be on this machine: `get` sees to that.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        return next(iter(self.served(project_key)), None)

    def serving(self, project: Project) -> str:
        """Return the name of the version that serves a project: the champion's, or the cold start's."""
        champion = self.champion(project.ref.key)
        return (
            champion.name
            if champion
            else ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
        )

    def served(self, project_key: str) -> Sequence[ModelVersion]:
        """Return the champion and the versions that served before it, newest first, without those rolled back."""
        versions = self._rows.served(project_key)
        if not versions and not self._is_complete:
            self._complete()
            versions = self._rows.served(project_key)
        return [self._placed(version) for version in versions]

    def champions(self) -> Mapping[str, str]:
        """Return the name of each project's champion by the project's key; projects without one are absent."""
        return self._rows.champions()

    def get(self, name: str) -> ModelVersion:
        """Return a version by its name, its files on this machine: they are fetched once where they lie elsewhere.

        Raises:
            ModelNotFound: there is none.
            BundleError: the folder holds another bundle than the one that was registered.
            TrackingError: MLflow holds the files and does not answer.
        """
        version = self._rows.find(name)
        if version is None:
            self._complete()
            version = self._rows.find(name)
        if version is None:
            raise ModelNotFound(f"no model {name!r} is known; `labelloop models list` shows what there is")
        return self.at_hand(self._placed(version))

    def at_hand(self, version: ModelVersion) -> ModelVersion:
        """Return the same version once its files are on this machine, as `get` does, though without the database.

        Raises:
            BundleError: its files are in the place that machines share, which cannot be read; it may pass.
        """
        self._registry.fetch(version)
        if not version.path.exists():
            try:
                version = replace(version, path=self._shared.find(_shared_name(version)) or version.path)
            except StateError as error:
                raise BundleError(str(error), is_passing=error.is_passing) from error
        if version.digest is not None and _digest(version.path) not in (None, version.digest):
            raise BundleError(
                f"{version.path} holds another bundle than the one that was registered as {version.name}; restore the "
                "folder from a backup, or go back to another version"
            )
        return version

    def all(self, project_key: str) -> Sequence[ModelVersion]:
        """Return all versions of a project, newest first."""
        self._complete()
        return [self._placed(version) for version in self._rows.all(project_key)]

    def project_keys(self) -> Sequence[str]:
        """Return the keys of the projects that have a version, in alphabetical order."""
        self._complete()
        return self._rows.project_keys()

    def made_by(self, project_key: str, run_id: str) -> ModelVersion | None:
        """Return the version that a tracking run made; None where it has registered none yet.

        MLflow is asked, since a process may have died between the registration there and the row.
        """
        self._copy(project_key)
        return next((version for version in self._rows.all(project_key) if version.run_id == run_id), None)

    def next_number(self, project_key: str) -> int:
        """Return the number that the next version will get; it was never used before, not even for a deleted one."""
        self._copy(project_key)
        numbers = [version.number for version in self._rows.all(project_key)]
        return max(self._registry.next_number(project_key), max(numbers, default=0) + 1)

    def register(self, project_key: str, **new: Unpack[NewVersion]) -> ModelVersion:
        """Register the bundle that the run logged, in MLflow and in the database.

        Raises:
            JobError: another version took the number meanwhile.
            StateError: the files cannot be kept in the place that machines share; it may pass.
        """
        registered = self._registry.register(project_key, **new)
        # The digest is of what this machine will read, so files on another machine are fetched first.
        self._registry.fetch(registered)
        registered = replace(registered, digest=_digest(registered.path))
        if registered.digest is not None:
            # First, since who sees the row may ask for the files.
            self._shared.keep(_shared_name(registered), registered.path)
        self._rows.add([self._movable(registered)])
        return self.get(registered.name)

    def serve(self, name: str) -> None:
        """Let a version of rows from files serve. No promotion is recorded: there is no Label Studio to take part."""
        key = self.get(name).project_key
        self._rows.serve(key, name)
        self.mirror(key)

    def mirror(self, project_key: str) -> str | None:
        """Let MLflow's alias name what serves; returns a sentence on what it named before, None if it was right.

        Raises:
            TrackingError: MLflow does not answer.
        """
        champion = self.champion(project_key)
        wanted = champion.name if champion else None
        before = self._registry.set_champion(project_key, wanted)
        if before == wanted:
            return None
        return f"MLflow's alias named {before or 'no champion'} in {project_key}, and {wanted or 'no version'} serves"

    def _complete(self) -> None:
        """Copy, once in the life of a database, what MLflow knows of versions and of champions that the rows lack."""
        with self._guard:
            if self._is_complete or self._rows.are_complete():
                self._is_complete = True
                return
            versions = [version for key in self._registry.project_keys() for version in self._registry.versions(key)]
            self._rows.complete(map(self._movable, versions))
            self._is_complete = True

    def _copy(self, project_key: str) -> None:
        self._rows.add(map(self._movable, self._registry.versions(project_key)))

    def _movable(self, version: ModelVersion) -> ModelVersion:
        path = version.path
        return replace(version, path=path.relative_to(self._home) if path.is_relative_to(self._home) else path)

    def _placed(self, version: ModelVersion) -> ModelVersion:
        return replace(version, path=self._home / version.path)


def _shared_name(version: ModelVersion) -> str:
    """Return the name of a version's files: with their digest, since a server that was set up anew repeats names."""
    return f"bundles/{version.name}-{(version.digest or '')[:16]}"


def _digest(bundle: Path) -> str | None:
    """Return the digest of a bundle; None where its folder or manifest is missing, as loading it then says."""
    try:
        return hashlib.sha256((bundle / BUNDLE_MANIFEST).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
