"""Which tasks are blind: those that are held out, and those in which people audit accepted answers."""

from collections.abc import Sequence

from ...domain.annotation import Task
from ...domain.project import Project
from ...tasks import ServingPlan
from ..services import Services
from ..splits import splits_of

__all__ = ["are_blind"]


def are_blind(services: Services, project: Project, plan: ServingPlan, tasks: Sequence[Task]) -> list[bool]:
    """Return for each task whether annotators must not see what the model answers.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    splits = splits_of(services, project, [plan.text(task.data) for task in tasks])
    audits = services.database.acceptances.open_audits(project.id, [task.id for task in tasks if task.id])
    return [split.is_held_out or task.id in audits for task, split in zip(tasks, splits, strict=True)]
