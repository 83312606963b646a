"""Load predictors in the background, one project at a time: each load uses all cores, and there may be hundreds."""

import logging
import threading
from collections.abc import Callable

from ..domain.project import Project
from ..models.base.native_threads import NativeThread

__all__ = ["Loader"]

log = logging.getLogger(__name__)


class Loader:
    """A queue of projects, and a thread that exists only while some wait to be loaded.

    Args:
        load: makes the predictor that serves a project.
    """

    def __init__(self, load: Callable[[Project], object]) -> None:
        self._load = load
        self._waiting: dict[int, Project] = {}
        self._is_running = False
        self._guard = threading.Lock()

    def add(self, project: Project) -> None:
        """Queue a project for loading; one that waits already keeps its place. Returns at once."""
        with self._guard:
            self._waiting.setdefault(project.id, project)
            if self._is_running:
                return
            self._is_running = True
        NativeThread(self._work_off, name="loader", stop=self._forget).start()

    def _forget(self) -> None:
        """Drop the projects that wait; the load under way cannot be stopped, and takes seconds."""
        with self._guard:
            self._waiting.clear()

    def _work_off(self) -> None:
        while (project := self._next()) is not None:
            try:
                self._load(project)
            except Exception:
                # The thread's outermost frame: an error of one project must not keep the others waiting.
                log.exception("project %s has no model to serve", project.id)

    def _next(self) -> Project | None:
        with self._guard:
            if not self._waiting:
                self._is_running = False
                return None
            return self._waiting.pop(next(iter(self._waiting)))
