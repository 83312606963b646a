"""The worker's regular work for each project, for which it asks Label Studio."""

import logging
import time

from ...domain.project import Project
from ...errors import LabelloopError, PayloadError, StudioError, StudioRejected
from ..accepting.audits import AuditCheck
from ..labeling.confirm import confirm_hints
from ..selecting.refresh import reselect_if_due
from ..services import Services
from ..training.policy import retrain_if_due
from ..watching.people import BlindCheck

__all__ = ["ProjectUpkeep"]

log = logging.getLogger(__name__)


class ProjectUpkeep:
    """Confirm events, request trainings and lists of tasks that are due, look at audits and blind answers, by project.

    While Label Studio does not answer, nothing happens, and the log says so once.

    Args:
        again_s: seconds of pause after a failure: of one project that Label Studio refuses, or of all where it is away.
    """

    def __init__(self, services: Services, again_s: float) -> None:
        self._services = services
        self._again_s = again_s
        self._not_before = 0.0
        self._paused: dict[int, float] = {}
        self._logged: dict[int, str] = {}
        self._audits, self._blind = AuditCheck(services), BlindCheck(services)

    def run(self) -> None:
        """Visit each project once."""
        if time.monotonic() < self._not_before:
            return
        for project in self._services.database.projects.all():
            if time.monotonic() < self._paused.get(project.id, 0.0):
                continue
            try:
                services = self._services.for_project(project.id)
                confirm_hints(services, project.id)
                retrain_if_due(services, project)
                reselect_if_due(services, project)
                self._audits.check(project)
                self._blind.check(project)
            except (StudioRejected, PayloadError) as error:
                self._paused[project.id] = self._log(project, error)
            except StudioError as error:
                self._not_before = self._log(project, error)
                return

    def _log(self, project: Project, error: LabelloopError) -> float:
        """Log a project's error unless it was the same the last time; return when to try again."""
        if self._logged.get(project.id) != str(error):
            self._logged[project.id] = str(error)
            log.warning("project %s: events wait until Label Studio can confirm them: %s", project.id, error)
        return time.monotonic() + self._again_s
