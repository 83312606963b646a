"""One list for likely label errors, disagreements and new texts, by what a second of work is expected to change."""

from collections.abc import Collection, Mapping, Sequence
from statistics import median

from ...domain.example import SelectedBy
from ...domain.project import Project
from ...domain.selection import SelectedTask
from ...labelstudio.quality_fields import QualityField, ReviewTab
from ..auditing.decisions import precision_table
from ..services import Services
from .places import refilled, was_chosen

__all__ = ["mixed_list"]

LEAST_TIMES = 10
"""Labels with a measured time of either way, before the two are told apart."""


def mixed_list(
    services: Services, project: Project, tasks: Sequence[SelectedTask], gains: Mapping[int, float]
) -> list[SelectedTask]:
    """Return a list of the same length in which open flags and disagreements compete with what a strategy chose.

    The gain of a new label is the doubt about it; of a flag, the share of such flags that proved right, or else 1 less
    the label's quality; of a disagreement, 1 less the quality as well. Each is divided by the median seconds that
    labels of such tasks took. What was drawn at random keeps its place, since no expectation may move it.

    Args:
        tasks: in order.
        gains: doubt by task, of those that a strategy chose.

    Raises:
        StudioError: Label Studio does not answer.
    """
    reviews = _reviews(services, project, {task.task_id for task in tasks})
    if not reviews:
        return list(tasks)
    new_s, review_s = _seconds(services, project)
    rates = {task_id: gain / new_s for task_id, gain in gains.items()}
    rates |= {task.task_id: gain / review_s for task, gain in reviews}
    competing = [*filter(was_chosen, tasks), *(task for task, _ in reviews)]
    return refilled(tasks, sorted(competing, key=lambda task: -rates.get(task.task_id, 0.0)))


def _reviews(services: Services, project: Project, listed: Collection[int]) -> list[tuple[SelectedTask, float]]:
    """Return flagged and disputed tasks with what looking at them is expected to change."""
    shares = {entry.kind: entry.value for entry in precision_table(services, project) if entry.value is not None}
    reviews: dict[int, tuple[SelectedTask, float]] = {}
    for flag in services.database.flags.open(project.id):
        gain = shares.get(flag.kind, 1 - flag.quality)
        reason = f"its label may be wrong ({flag.kind.replace('_', ' ')})"
        reviews[flag.task_id] = _review(flag.task_id, "label_error", reason), gain
    tab = ReviewTab.DISAGREEMENT
    for task in services.studio.tasks_with(project.id, tab.field, ReviewTab.TRUE):
        quality = task.data.get(QualityField.QUALITY)
        gain = 1 - float(quality) if isinstance(quality, int | float) else 0.5
        reviews.setdefault(task.id, (_review(task.id, "disagreement", "annotators disagree about it"), gain))
    return [review for task_id, review in reviews.items() if task_id not in listed]


def _review(task_id: int, strategy: str, reason: str) -> SelectedTask:
    return SelectedTask(task_id, strategy, reason, 0.0, SelectedBy.SUSPECT)


def _seconds(services: Services, project: Project) -> tuple[float, float]:
    """Return the median seconds of a new label and of a second look, the same while there are few of either.

    A median, since a break during a label says nothing about the label.
    """
    times: dict[bool, list[float]] = {True: [], False: []}
    for event in services.database.events.history(project.id).values():
        if event.lead_time_s and not event.was_cancelled:
            times[event.selected_by is SelectedBy.SUSPECT].append(event.lead_time_s)
    if min(len(each) for each in times.values()) < LEAST_TIMES:
        return 1.0, 1.0
    return max(median(times[False]), 0.1), max(median(times[True]), 0.1)
