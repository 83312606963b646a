"""Find labels whose event was lost: Label Studio sends an event once, even while labelloop is away or busy.

The worker regularly asks Label Studio's API which labeled tasks have changed; this takes one call where none has. It
stores what it finds as the event would have been stored. How such a label was made is unknown.
"""

import logging
import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from ...domain.annotation import Annotation, Task
from ...domain.event import AnnotationEvent, EventAction
from ...domain.project import Project
from ...errors import StudioError, StudioRejected
from ..services import Services

__all__ = ["MissedLabels"]

log = logging.getLogger(__name__)

PROJECTS_AT_ONCE = 10
TASKS_AT_ONCE = 200
SETTLED = timedelta(seconds=5)
"""The age from which a label's event counts as lost. Label Studio gives an event up after a second."""
SAME_CHANGE = timedelta(seconds=1)
OVERLAP = timedelta(seconds=30)
"""The time before the last look that is listed again, since a change may become visible after a later one."""


class MissedLabels:
    """Looks for labels without an event, for a few projects at a time, in turns.

    Args:
        again_s: seconds before the next look at the same project.
        pause_s: seconds before the next look at any project after Label Studio could not be asked.
    """

    def __init__(self, services: Services, *, again_s: float = 15.0, pause_s: float = 60.0) -> None:
        self._services = services
        self._again_s, self._pause_s = again_s, pause_s
        self._not_before = 0.0
        self._turns: dict[int, float] = {}
        self._seen_until: dict[int, datetime] = {}
        self._looked_at: dict[int, frozenset[tuple[int, datetime]]] = {}

    def look(self) -> int:
        """Store the missed labels and return their number. Does nothing while Label Studio is away."""
        count = 0
        for project in self._next():
            self._turns[project.id] = time.monotonic()
            try:
                count += self._look_at(project)
            except StudioRejected as error:
                log.debug("project %s: labels whose event was lost cannot be looked for: %s", project.id, error)
            except StudioError as error:
                log.info("labels whose event was lost are looked for later: %s", error)
                self._not_before = time.monotonic() + self._pause_s
                break
        return count

    def _next(self) -> list[Project]:
        """Return the projects whose turn it is, those that have waited the longest first."""
        now = time.monotonic()
        if now < self._not_before:
            return []
        due = [each for each in self._services.database.projects.all() if self._waited(each, now) >= self._again_s]
        return sorted(due, key=lambda each: self._waited(each, now), reverse=True)[:PROJECTS_AT_ONCE]

    def _waited(self, project: Project, now: float) -> float:
        return now - self._turns.get(project.id, -math.inf)

    def _look_at(self, project: Project) -> int:
        studio, events = self._services.studio, self._services.database.events
        since = self._since(project)
        start = max(since, self._seen_until.get(project.id, since))
        changed = studio.labeled_since(project.id, start, TASKS_AT_ONCE)
        fresh = [task_id for task_id, at in changed if (task_id, at) not in self._looked_at.get(project.id, ())]
        missed = self._missed(project, studio.tasks_by_id(project.id, fresh), since) if fresh else []
        added = events.add(missed)
        if added:
            log.warning("project %s: the events of %s labels were lost; the labels are counted now", project.id, added)
        self._continue_after(project, changed)
        return added

    def _continue_after(self, project: Project, changed: Sequence[tuple[int, datetime]]) -> None:
        settled = self._services.clock() - SETTLED
        self._looked_at[project.id] = frozenset(each for each in changed if each[1] <= settled)
        if len(changed) == TASKS_AT_ONCE:
            self._seen_until[project.id] = min(changed[-1][1], settled)  # there may be more
        elif changed:
            self._seen_until[project.id] = changed[-1][1] - OVERLAP

    def _since(self, project: Project) -> datetime:
        """Return when to start: earlier changes are known, in the newest snapshot, or older than the connection."""
        last = self._services.database.snapshots.last(project.id)
        received_at = self._services.database.events.received_at(last.last_event_id) if last else None
        return received_at or project.connected_at

    def _missed(self, project: Project, tasks: Sequence[Task], since: datetime) -> list[AnnotationEvent]:
        new = [
            (task, annotation)
            for task in tasks
            for annotation in task.annotations
            if not annotation.was_imported and since < annotation.last_change <= self._services.clock() - SETTLED
        ]
        reported = self._services.database.events.last_changes(project.id, [annotation.id for _, annotation in new])
        return [
            AnnotationEvent.of(
                annotation,
                project.id,
                EventAction.UPDATED if annotation.id in reported else EventAction.CREATED,
                task_id=task.id,
            )
            for task, annotation in new
            if not _was_reported(annotation, reported.get(annotation.id))
        ]


def _was_reported(annotation: Annotation, changed_at: str | None) -> bool:
    """True where the newest event of an annotation reported its last change.

    Args:
        changed_at: the time of change in that event; None where there is no event.
    """
    if changed_at is None:
        return False
    try:
        return abs(annotation.last_change - datetime.fromisoformat(changed_at)) <= SAME_CHANGE
    except (TypeError, ValueError):
        return False  # the event has no time that can be compared
