"""Put audits of accepted answers at the head of the tasks to label next: until people answer, nothing checks others."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ...domain.example import SelectedBy
from ...domain.project import Project
from ...domain.selection import SelectedTask
from ..accepting.in_force import certificate_in_force
from ..services import Services

__all__ = ["audits_first"]

MOST_OF_A_LIST = 1 / 3
REASON = "audit: people answer it without a hint, so that answers like it can go on being accepted"


def audits_first(
    services: Services, project: Project, tasks: Sequence[SelectedTask], unlabeled: Collection[int]
) -> list[SelectedTask]:
    """Return a list of the same length that begins with open audits, which take up to a third of it.

    Args:
        tasks: in order; the last ones make room.
        unlabeled: ids of the tasks that nobody has labeled.
    """
    certificate = certificate_in_force(services, project)
    if certificate is None:
        return list(tasks)
    audits = [
        SelectedTask(each.task_id, "audit", REASON, 0.0, SelectedBy.RANDOM)
        for each in services.database.acceptances.audits(project.id, certificate.version)
        if each.answered_at is None and each.task_id in unlabeled
    ][: int(len(tasks) * MOST_OF_A_LIST)]
    listed = {task.task_id for task in audits}
    filled = [*audits, *(task for task in tasks if task.task_id not in listed)]
    return [replace(task, priority=place.priority) for task, place in zip(filled, tasks, strict=False)]
