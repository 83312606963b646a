"""The predictors of this process: one per project, loaded outside requests, swapped whole."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from ..domain.model import ModelVersion
from ..domain.ports import Predictor
from ..domain.project import Project
from ..errors import BundleError, DatabaseUnavailable, EncoderError, TrackingError
from .alarms import AlarmKind, Alarms
from .loader import Loader
from .model_versions import ModelVersions

__all__ = ["Champions"]

log = logging.getLogger(__name__)

# TrackingError: the files lie on another machine, and MLflow, which would send them, does not answer.
UNREADABLE = (BundleError, EncoderError, OSError, TrackingError)


class Champions:
    """Serves each project by its champion, or by the cold start before the first one.

    A swap replaces one reference, so a request keeps the predictor that it started with. A predictor's memory is freed
    when its last request is answered.

    Args:
        versions: knows which version is champion, and which ones served before it. One of these answers where the
            champion cannot be loaded.
        load: makes a predictor from a serving bundle, ready to answer its first request as fast as any other.
        cold_start: makes the predictor that answers before the first model, just as ready.
        alarms: get an alarm for each champion whose files are damaged or gone.
        memory_of: returns the bytes that a predictor holds in memory, by their owner, which predictors may share.
        limit_bytes: about how much all predictors together may hold. Above it, the least recently used ones are
            dropped, and their next request loads them again. 0: no limit.
    """

    def __init__(
        self,
        versions: ModelVersions,
        load: Callable[[Path], Predictor],
        cold_start: Callable[[Project], Predictor],
        alarms: Alarms | None = None,
        *,
        memory_of: Callable[[Predictor], Mapping[Hashable, int]] = lambda _: {},
        limit_bytes: int = 0,
    ) -> None:
        self._versions = versions
        self._load = load
        self._cold_start = cold_start
        self._alarms = alarms or Alarms()
        self._memory_of = memory_of
        self._limit_bytes = limit_bytes
        self._serving: dict[int, Predictor] = {}
        self._projects: dict[int, Project] = {}
        self._served: dict[str, Sequence[ModelVersion]] = {}
        self._files: dict[str, Mapping[str, int]] = {}
        self._asked_at: dict[int, float] = {}
        self._put_away: set[int] = set()
        self._locks: dict[int, threading.Lock] = {}
        self._loader = Loader(self.refresh)
        self._guard = threading.Lock()

    def loaded(self, project: Project) -> Predictor | None:
        """The predictor that serves now; None while none is loaded that fits the label config. Never waits."""
        serving = self._serving.get(project.id)
        cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
        is_outdated = (
            serving is not None and ModelVersion.is_cold_start_name(serving.version) and serving.version != cold_start
        )
        return None if is_outdated else serving

    def project(self, project_id: int) -> Project | None:
        """Return the project as of the last search for its predictor; None for a project that is not served here."""
        return self._projects.get(project_id)

    def get(self, project: Project) -> Predictor:
        """The predictor of a project; the first call loads it, and calls meanwhile wait for that.

        Raises:
            EncoderError: the base model cannot be loaded.
        """
        self._asked_at[project.id] = time.monotonic()
        serving = self.loaded(project)
        return self.refresh(project) if serving is None else serving

    def follow(self, project: Project) -> None:
        """Do what `refresh` does, unless that would only fill memory: nobody asks, and there is no room.

        Raises:
            EncoderError: the base model cannot be loaded.
            DatabaseUnavailable: as for `refresh`.
        """
        if project.id not in self._serving and (project.id in self._put_away or not self._has_room()):
            self._put_away.add(project.id)
        else:
            self.refresh(project)

    def refresh(self, project: Project) -> Predictor:
        """Serve the champion of this moment, loading it first if it is new here.

        A champion that cannot be loaded does not replace the predictor that serves. Where none serves yet, the newest
        intact version before it answers, or else the cold start. A champion whose files are lost goes on serving from
        memory.

        Raises:
            EncoderError: the base model cannot be loaded.
            DatabaseUnavailable: the database does not answer, and this process never knew which version serves.
        """
        with self._lock(project.id):
            served = self._versions_served(project)
            try:
                predictor = self._wanted(project, served[0] if served else None)
                self._alarms.end(AlarmKind.MODEL, project.ref.key)
            except UNREADABLE as error:
                predictor = self.loaded(project) or self._newest_whole(project, served[1:])
                self._alarms.begin(AlarmKind.MODEL, project.ref.key, _lost(project, predictor, error))
            self._serve(project, predictor)
            return predictor

    def _versions_served(self, project: Project) -> Sequence[ModelVersion]:
        """Return the champion and the versions before it, as they were last known while the database is away."""
        key = project.ref.key
        try:
            self._served[key] = self._versions.served(key)
        except (DatabaseUnavailable, TrackingError) as error:
            if key not in self._served:
                raise
            log.warning("what served project %s before goes on serving: %s", project.id, error)
        return self._served[key]

    def _wanted(self, project: Project, champion: ModelVersion | None) -> Predictor:
        """Return the predictor of the champion: the one that serves, where that is it."""
        serving = self._serving.get(project.id)
        cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
        if champion is None:
            is_served = serving is not None and serving.version == cold_start
            return serving if serving is not None and is_served else self._cold_start(project)
        if serving is not None and serving.version == champion.name:
            _check_files(champion.path, self._files.get(champion.name, {}))
            return serving
        return self._loaded_version(project, champion)

    def _loaded_version(self, project: Project, version: ModelVersion) -> Predictor:
        predictor = self._load(self._versions.at_hand(version).path)
        self._files[version.name] = _sizes(version.path)
        log.info("project %s is served by %s", project.id, version.name)
        return predictor

    def _newest_whole(self, project: Project, earlier: Iterable[ModelVersion]) -> Predictor:
        """Return the newest version before the champion that can be loaded, or the cold start."""
        for version in earlier:
            try:
                return self._loaded_version(project, version)
            except UNREADABLE as error:
                log.warning("%s cannot answer instead: %s", version.name, error)
        return self._cold_start(project)

    def load_soon(self, project: Project) -> None:
        """Load a project's predictor in the background, unless a fitting one serves already. Returns at once."""
        if self.loaded(project) is None:
            self._loader.add(project)

    def _serve(self, project: Project, predictor: Predictor) -> None:
        with self._guard:
            self._serving[project.id] = predictor
            self._projects[project.id] = project
            self._asked_at.setdefault(project.id, time.monotonic())
            self._put_away.discard(project.id)
            while self._limit_bytes and (held := self._bytes(self._serving.values())) > self._limit_bytes:
                others = sorted(self._serving.keys() - {project.id}, key=lambda each: self._asked_at[each])
                idle = next((each for each in others if self._bytes_without(each) < held), None)
                if idle is None:
                    return
                log.info("%s is put away, for the models in memory are too many", self._serving.pop(idle).version)
                self._put_away.add(idle)

    def _has_room(self) -> bool:
        """True where a predictor as large as the largest would fit in."""
        with self._guard:
            largest = max((self._bytes([each]) for each in self._serving.values()), default=0)
            return not self._limit_bytes or self._bytes(self._serving.values()) + largest <= self._limit_bytes

    def _bytes_without(self, project_id: int) -> int:
        return self._bytes(predictor for each, predictor in self._serving.items() if each != project_id)

    def _bytes(self, predictors: Iterable[Predictor]) -> int:
        """Memory that all predictors hold together."""
        held: dict[Hashable, int] = {}
        for predictor in predictors:
            held |= self._memory_of(predictor)
        return sum(held.values())

    def _lock(self, project_id: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(project_id, threading.Lock())


def _lost(project: Project, predictor: Predictor, error: Exception) -> str:
    return (
        f"the champion of project {project.id} cannot be read: {error}. {predictor.version} answers for now; restore "
        f"the folder from a backup, or go back with `labelloop models rollback --project {project.id}`"
    )


def _sizes(folder: Path) -> Mapping[str, int]:
    """Return every file below a folder with its size."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def _check_files(folder: Path, sizes: Mapping[str, int]) -> None:
    """Check that a version that serves from memory could be loaded again, without reading its files.

    Raises:
        BundleError: files of the loaded version are gone or have changed; OSError: they cannot be accessed.
    """
    now = _sizes(folder)
    wrong = [name for name, size in sizes.items() if now.get(name) != size]
    if wrong:
        raise BundleError(f"{len(wrong)} of {len(sizes)} files in {folder}, such as {wrong[0]}, are gone or changed")
