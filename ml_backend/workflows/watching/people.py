"""Compare what versions answered to blind tasks with what people say."""

from dataclasses import replace

from ...domain.drift import DriftKind
from ...domain.project import Project
from ...labelstudio.plans import plan_of
from ..accepting.certify import given_targets
from ..exporting.row_source import rows_of_tasks
from ..services import Services
from .alarms import look_for_drift

__all__ = ["BlindCheck"]


class BlindCheck:
    """Looks at blind answers again and again; only events that are new make it ask Label Studio."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen: dict[int, int] = {}

    def check(self, project: Project) -> None:
        """Take in people's answers to blind tasks, and look whether what serves has become worse.

        Raises:
            StudioError: Label Studio did not answer or refused; the answers are looked at the next time.
        """
        newest, seen = self._services.database.events.last_id(project.id), self._seen.get(project.id, 0)
        if newest == seen:
            return
        if self._take_in(project, seen):
            look_for_drift(self._services, project, self._services.versions.serving(project), (DriftKind.ERRORS,))
        self._seen[project.id] = newest

    def _take_in(self, project: Project, event_id: int) -> bool:
        """Store what people answered after an event, as far as the review rule lets it count; False for nothing."""
        answers = self._services.database.blind_answers
        waiting = answers.labeled_since(project.id, event_id)
        if not waiting:
            return False
        plan = plan_of(project)
        rows = rows_of_tasks(self._services, project, {each.task_id for each in waiting})
        judged = [
            replace(
                each,
                answered_at=row.provenance.reviewed_at or self._services.clock().isoformat(),
                is_wrong=given_targets(plan, row.text, each.regions) != row.targets,
            )
            for each in waiting
            if (row := rows.get(each.task_id)) is not None and row.is_blind
        ]
        answers.judge(judged)
        return bool(judged)
