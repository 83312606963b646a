"""What the worker does for each project from time to time, with the help of Label Studio."""

import logging
import time

from ..domain.project import Project
from ..errors import LabelloopError, PayloadError, StudioError, StudioRejected
from .confirm import confirm_hints
from .policy import retrain_if_due
from .services import Services

__all__ = ["ProjectRounds"]

log = logging.getLogger(__name__)


class ProjectRounds:
    """Goes round the projects. Where Label Studio cannot be asked, nothing happens, and that is told once.

    Args:
        again_s: pause after that, for a project that Label Studio refuses to speak of, or for all where it is away.
    """

    def __init__(self, services: Services, again_s: float) -> None:
        self._services = services
        self._again_s = again_s
        self._not_before = 0.0
        self._paused: dict[int, float] = {}
        self._told: dict[int, str] = {}

    def go(self) -> None:
        """Confirm what events claimed, and ask for the trainings that are due."""
        if time.monotonic() < self._not_before:
            return
        for project in self._services.database.projects.all():
            if time.monotonic() < self._paused.get(project.id, 0.0):
                continue
            try:
                confirm_hints(self._services, project.id)
                retrain_if_due(self._services, project)
            except (StudioRejected, PayloadError) as error:
                self._paused[project.id] = self._tell(project, error)
            except StudioError as error:
                self._not_before = self._tell(project, error)
                return

    def _tell(self, project: Project, error: LabelloopError) -> float:
        """Log what stands in the way of a project, unless it did the last time; returns when to try again."""
        if self._told.get(project.id) != str(error):
            self._told[project.id] = str(error)
            log.warning("project %s: what events told waits until Label Studio confirms it: %s", project.id, error)
        return time.monotonic() + self._again_s
