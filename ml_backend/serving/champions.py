"""The predictors of this process: one per project, loaded outside requests, swapped whole."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from ..domain.model import cold_start_version, is_cold_start
from ..domain.ports import ModelRegistry, Predictor
from ..domain.project import Project
from ..errors import BundleError, EncoderError, LabelloopError, TrackingError

__all__ = ["Champions"]

log = logging.getLogger(__name__)


class Champions:
    """Serves, per project, the champion that the registry names, or the cold start before the first one.

    A swap replaces one reference, so a request keeps the predictor that it started with.

    Args:
        registry: says which version is champion.
        load: makes a predictor from a serving bundle.
        cold_start: makes the predictor that answers before the first model.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        load: Callable[[Path], Predictor],
        cold_start: Callable[[Project], Predictor],
    ) -> None:
        self._registry = registry
        self._load = load
        self._cold_start = cold_start
        self._serving: dict[int, Predictor] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._loading: set[int] = set()
        self._guard = threading.Lock()

    def loaded(self, project: Project) -> Predictor | None:
        """The predictor that serves now; None while none is loaded that fits the label config. Never waits."""
        serving = self._serving.get(project.id)
        cold_start = cold_start_version(project.ref.key, project.label_config_fingerprint)
        is_outdated = serving is not None and is_cold_start(serving.version) and serving.version != cold_start
        return None if is_outdated else serving

    def get(self, project: Project) -> Predictor:
        """The predictor of a project; the first call loads it, and calls meanwhile wait for that.

        Raises:
            EncoderError: the base model cannot be loaded.
        """
        serving = self.loaded(project)
        return self.refresh(project) if serving is None else serving

    def refresh(self, project: Project) -> Predictor:
        """Serve what the registry names now, loading it first if it is new here.

        A champion that cannot be loaded does not replace what serves; where nothing does, the cold start answers.

        Raises:
            EncoderError: the base model cannot be loaded.
            TrackingError: the registry does not answer, and nothing serves that could go on.
        """
        with self._lock(project.id):
            fitting = self.loaded(project)
            try:
                self._serving[project.id] = self._wanted(project)
            except (BundleError, EncoderError, OSError):
                log.exception("the champion of project %s cannot be loaded", project.id)
                self._serving[project.id] = fitting or self._cold_start(project)
            except TrackingError as error:
                if fitting is None:
                    raise
                log.warning("%s goes on serving project %s: %s", fitting.version, project.id, error)
            return self._serving[project.id]

    def _wanted(self, project: Project) -> Predictor:
        """The predictor of the version that the registry names: the one that serves, where that is it."""
        champion = self._registry.champion(project.ref.key)
        serving = self._serving.get(project.id)
        cold_start = cold_start_version(project.ref.key, project.label_config_fingerprint)
        if serving is not None and serving.version == (champion.name if champion else cold_start):
            return serving
        if champion is None:
            return self._cold_start(project)
        predictor = self._load(champion.path)
        log.info("project %s is served by %s", project.id, champion.name)
        return predictor

    def load_soon(self, project: Project) -> None:
        """Load a project's predictor on a thread of its own, unless one that fits serves already; returns at once."""
        if self.loaded(project) is not None:
            return
        with self._guard:
            if project.id in self._loading:
                return
            self._loading.add(project.id)
        threading.Thread(target=self._load_and_log, args=(project,), name=f"load-{project.id}", daemon=True).start()

    def _load_and_log(self, project: Project) -> None:
        try:
            self.refresh(project)
        except LabelloopError:
            log.exception("project %s has no model to serve", project.id)
        finally:
            with self._guard:
                self._loading.discard(project.id)

    def _lock(self, project_id: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(project_id, threading.Lock())
