"""Which annotations of tasks labelloop made by itself. It knows them by their ids, since an annotator can be forged."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...batches import in_batches
from ...domain.acceptance import Acceptance
from ...domain.annotation import Task
from ..services import Services

__all__ = ["marked"]

TASKS_AT_ONCE = 500


def marked(services: Services, project_id: int, tasks: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks, with `was_accepted` of annotations that labelloop made and nobody has changed since."""
    for batch in in_batches(tasks, TASKS_AT_ONCE):
        acceptances = services.database.acceptances.of_tasks(project_id, [task.id for task in batch])
        for task in batch:
            yield _marked(task, acceptances[task.id]) if task.id in acceptances else task


def _marked(task: Task, acceptances: Iterable[Acceptance]) -> Task:
    annotations = (
        replace(annotation, was_accepted=any(each.covers(annotation) for each in acceptances))
        for annotation in task.annotations
    )
    return replace(task, annotations=tuple(annotations))
