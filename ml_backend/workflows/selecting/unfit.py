"""Give texts that fit none of the labels some of the places among the tasks to label next."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from ...domain.example import SelectedBy
from ...domain.fit import TaskFit
from ...domain.project import Project
from ...domain.selection import SelectedTask
from ..services import Services
from .places import refilled, was_chosen

__all__ = ["with_unfit"]

EVERY = 10
"""Each tenth of the places that were not drawn at random goes to such a text. People see early on what is new, and the
list stays one of texts that can be labeled."""


def with_unfit(
    services: Services, project: Project, tasks: Sequence[SelectedTask], unlabeled: Collection[int]
) -> list[SelectedTask]:
    """Return a list of the same length with texts that fit no label, the least fitting first.

    Args:
        tasks: in order; the last chosen ones make room.
        unlabeled: ids of the tasks that nobody has labeled.
    """
    listed = {task.task_id for task in tasks}
    unfit = (
        _selected(each)
        for each in services.database.fits.unfit(project.id)
        if each.task_id in unlabeled and each.task_id not in listed
    )
    return refilled(tasks, _mixed(filter(was_chosen, tasks), unfit))


def _mixed(chosen: Iterator[SelectedTask], unfit: Iterator[SelectedTask]) -> Iterator[SelectedTask]:
    while batch := list(islice(chosen, EVERY - 1)):
        yield from batch
        yield from islice(unfit, 1)


def _selected(fit: TaskFit) -> SelectedTask:
    reason = f"fits none of the labels: at most {fit.fit:.1%} of labeled texts are so unlike the others"
    return SelectedTask(fit.task_id, "unfit", reason, 0.0, SelectedBy.ACTIVE)
