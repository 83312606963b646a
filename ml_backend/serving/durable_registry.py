"""A registry whose versions survive the loss of MLflow's database, because the state records them as well.

MLflow remains the record that people see, and in which they may move the alias. Where its database is lost or away,
version numbers continue from the last one, and the champion goes on serving from its files, with an alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..domain.model import Method, ModelVersion
from ..domain.ports import ModelRegistry
from ..errors import DatabaseUnavailable, ModelNotFound, TrackingError
from ..storage.repositories import VersionRepository
from .alarms import AlarmKind, Alarms

__all__ = ["DurableRegistry"]


class DurableRegistry:
    """Asks the registry, and falls back on the state where the registry does not know.

    Args:
        home: folder to which the paths of versions below it are stored relative, so that the state can be moved.
    """

    def __init__(self, registry: ModelRegistry, versions: VersionRepository, home: Path, alarms: Alarms) -> None:
        self._registry = registry
        self._versions = versions
        self._home = home
        self._alarms = alarms

    def next_number(self, project_key: str) -> int:
        """Return the number that the next registered version will get; it was never used before."""
        self._versions.add(map(self._movable, self._registry.versions(project_key)))
        return max(self._registry.next_number(project_key), self._versions.last_number(project_key) + 1)

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
        """Register the bundle that the run logged, and record it in the state.

        Raises:
            JobError: another version took the number meanwhile.
        """
        registered = self._registry.register(
            project_key,
            number=number,
            run_id=run_id,
            artifact_path=artifact_path,
            method=method,
            snapshot_id=snapshot_id,
            label_config_fingerprint=label_config_fingerprint,
            metrics=metrics,
        )
        self._versions.add([self._movable(registered)])
        return registered

    def get(self, version: str) -> ModelVersion:
        """Return a version by its name.

        Raises:
            ModelNotFound: neither the registry nor the state knows it, or its files are gone.
        """
        try:
            return self._registry.get(version)
        except (ModelNotFound, TrackingError):
            kept = self._versions.find(version)
            if kept is None or not (found := self._placed(kept)).path.is_dir():
                raise
            return found

    def project_keys(self) -> Sequence[str]:
        """Return the keys of the projects that have registered a version, in alphabetical order."""
        return sorted({*self._registry.project_keys(), *self._versions.project_keys()})

    def versions(self, project_key: str) -> Sequence[ModelVersion]:
        """Return all versions of a project, newest first; those that only the state knows only if their files exist."""
        known = {version.number: version for version in self._registry.versions(project_key)}
        champions = {version.name for version in self._served(project_key)[:1]}
        kept = map(self._placed, self._versions.all(project_key))
        whole = {
            version.number: replace(version, is_champion=version.name in champions)
            for version in kept
            if version.path.is_dir()
        }
        return [version for _, version in sorted((whole | known).items(), reverse=True)]

    def champion(self, project_key: str) -> ModelVersion | None:
        """Return the version that serves, or None before the first promotion."""
        kept = next(iter(self._served(project_key)), None)
        try:
            named = self._registry.champion(project_key)
        except (ModelNotFound, TrackingError) as error:
            if kept is None:
                raise
            return self._lost(kept, str(error))
        if kept is not None and (named is None or (named.name != kept.name and not self._knows(kept))):
            says = f"MLflow names {named.name}" if named else "MLflow names no champion"
            return self._lost(kept, f"{says}: its database was deleted or replaced")
        self._alarms.end(AlarmKind.REGISTRY, project_key)
        if named is not None and (kept is None or kept.name != named.name):
            self._remember(named)
        return named

    def earlier(self, project_key: str) -> Sequence[ModelVersion]:
        """Return the versions that served before the champion, newest first."""
        return self._served(project_key)[1:]

    def set_champion(self, version: str) -> None:
        """Make a version the champion, in the registry only if it knows the version."""
        found = self.get(version)
        try:
            self._registry.set_champion(version)
        except ModelNotFound:
            self._registry.clear_champion(found.project_key)
        self._versions.serve(self._movable(found))

    def clear_champion(self, project_key: str) -> None:
        """Let the cold start serve again."""
        self._registry.clear_champion(project_key)
        self._versions.serve_none(project_key)

    def set_challenger(self, version: str) -> None:
        """Move the challenger alias."""
        self._registry.set_challenger(version)

    def _lost(self, kept: ModelVersion, reason: str) -> ModelVersion:
        self._alarms.begin(
            AlarmKind.REGISTRY,
            kept.project_key,
            f"{kept.name} goes on serving by the record in labelloop's database, since the registry cannot name the "
            f"champion ({reason}). "
            "Start MLflow, or restore its database from a backup; the next promotion ends this, too",
        )
        return kept

    def _knows(self, kept: ModelVersion) -> bool:
        """True where the registry has the version, which means that somebody moved the alias away from it."""
        return any(version.name == kept.name for version in self._registry.versions(kept.project_key))

    def _served(self, project_key: str) -> Sequence[ModelVersion]:
        try:
            return [self._placed(version) for version in self._versions.served(project_key)]
        except DatabaseUnavailable:
            return ()  # only the registry can tell then

    def _remember(self, champion: ModelVersion) -> None:
        """Record a champion that the state lacks: somebody moved the alias, or the version predates this record."""
        try:
            self._versions.serve(self._movable(champion))
        except DatabaseUnavailable:
            return  # the next look records it

    def _movable(self, version: ModelVersion) -> ModelVersion:
        path = version.path
        return replace(version, path=path.relative_to(self._home) if path.is_relative_to(self._home) else path)

    def _placed(self, version: ModelVersion) -> ModelVersion:
        return replace(version, path=self._home / version.path)
