"""The background thread of a serving process that follows promotions and notices a lost database."""

import logging
import threading
import time
from collections.abc import Mapping

from ..domain.project import Project
from ..errors import DatabaseUnavailable, LabelloopError
from ..serving.alarms import AlarmKind
from ..workflows.services import Services
from .errors import EVENTS

__all__ = ["watch_champions"]

log = logging.getLogger(__name__)

POLL_S = 1.0
FULL_REFRESH_S = 30.0
DATABASE = "database"


def watch_champions(
    services: Services, stop: threading.Event, *, poll_s: float = POLL_S, full_refresh_s: float = FULL_REFRESH_S
) -> None:
    """Serve each promotion as soon as it commits, until `stop` is set.

    One small query says every second what serves each project. Now and then all are looked at, since the files of a
    champion may be gone, or back, and a project or its label config may be new.
    """
    champions_before: Mapping[str, str] = {}
    next_full = 0.0
    while not stop.is_set():
        try:
            is_full = time.monotonic() >= next_full
            champions = services.versions.champions()
            if is_full or champions != champions_before:
                for project in services.database.projects.all():
                    key = project.ref.key
                    if is_full or champions.get(key) != champions_before.get(key):
                        _follow(services, project)
            champions_before = champions
            if is_full:
                next_full = time.monotonic() + full_refresh_s
            _end_alarms(services)
        except DatabaseUnavailable as error:
            services.alarms.begin(AlarmKind.STATE, DATABASE, str(error))
        except Exception:
            # The thread's outermost frame: one bad round must not end all later ones.
            log.exception("looking for a new champion failed; trying again")
        stop.wait(poll_s)


def _end_alarms(services: Services) -> None:
    """End the alarm about a database that is back, and with it the one about events, which can be stored again.

    Where only writing fails, as on a full disk, the alarm about events stays until an event is stored.
    """
    if services.alarms.about(AlarmKind.STATE, DATABASE):
        services.alarms.end(AlarmKind.STATE, DATABASE)
        services.alarms.end(AlarmKind.STATE, EVENTS)


def _follow(services: Services, project: Project) -> None:
    try:
        services.champions.follow(project)
    except LabelloopError as error:
        log.error("project %s has no model to serve: %s", project.id, error)
