"""Compare what versions answered to blind tasks with what people say."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...domain.drift import BlindAnswer, DriftKind
from ...domain.example import Row
from ...domain.project import Project
from ...labelstudio.plans import plan_of
from ..accepting.certify import given_targets
from ..exporting.row_source import rows_of_tasks
from ..services import Services
from .alarms import look_for_drift

__all__ = ["BlindCheck", "take_in"]


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
        waiting = self._services.database.blind_answers.labeled_since(project.id, seen)
        rows = rows_of_tasks(self._services, project, {each.task_id for each in waiting}) if waiting else {}
        if take_in(self._services, project, waiting, rows):
            look_for_drift(self._services, project, self._services.versions.serving(project), (DriftKind.ERRORS,))
        self._seen[project.id] = newest


def take_in(services: Services, project: Project, waiting: Iterable[BlindAnswer], rows: Mapping[int, Row]) -> bool:
    """Compare answers with what people said without a hint, and store that; return False where there was nothing.

    Args:
        rows: reviewed ones, by task.
    """
    plan = plan_of(project)
    judged = [
        replace(
            each,
            answered_at=row.provenance.reviewed_at or services.clock().isoformat(),
            is_wrong=given_targets(plan, row.text, each.regions) != row.targets,
        )
        for each in waiting
        if (row := rows.get(each.task_id)) is not None and row.is_blind
    ]
    services.database.blind_answers.judge(judged)
    return bool(judged)
