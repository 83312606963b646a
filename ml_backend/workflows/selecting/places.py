"""The places of a list of tasks to label next, and who may take them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...domain.example import SelectedBy
from ...domain.selection import SelectedTask

__all__ = ["refilled", "was_chosen"]


def was_chosen(task: SelectedTask) -> bool:
    """False for a task that was drawn at random."""
    return task.selected_by is not SelectedBy.RANDOM


def refilled(tasks: Sequence[SelectedTask], chosen: Iterable[SelectedTask]) -> list[SelectedTask]:
    """Return a list of the same length in which chosen tasks give way to these; those drawn at random keep their place.

    Args:
        chosen: in order, as many as there are chosen tasks or more.
    """
    by_order = iter(chosen)
    filled = (next(by_order) if was_chosen(task) else task for task in tasks)
    return [replace(task, priority=place.priority) for task, place in zip(filled, tasks, strict=True)]
