"""Show the tasks to label next in Label Studio, in a tab that is ordered by priority."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...batches import in_batches
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.selection import SelectedTask
from ...labelstudio.plans import plan_of
from ...labelstudio.quality_fields import SelectionField
from ..connecting.tabs import show_tabs
from ..services import Services
from ..task_fields import TASKS_PER_READ, check_names, is_replaced

__all__ = ["push_list"]

STAGE = "pushing"


@dataclass(frozen=True, slots=True)
class PushedList:
    """The outcome of a push.

    Attributes:
        written: tasks that came onto the list, or whose place or reason changed.
        cleared: tasks that left it.
        unchanged: tasks that were right already.
        tabs: address in Label Studio by title.
    """

    written: int = 0
    cleared: int = 0
    unchanged: int = 0
    tabs: Mapping[str, str] = field(default_factory=dict)


def push_list(
    services: Services, project: Project, tasks: Sequence[SelectedTask], report: ProgressCallback = Progress.ignore
) -> PushedList:
    """Write priority and reason into these tasks, take them out of all others, and see to the tab.

    Only what differs is written. Safe to repeat; a push that was killed is resumed by the next.

    Raises:
        StudioError: Label Studio did not answer or refused, or the label config uses a name of labelloop's fields.
    """
    check_names(project, SelectionField, "which tasks come next")
    waiting = partial(report, Progress(0.0, STAGE, "another process is pushing"))
    with services.database.locks.held(f"review-{project.id}", waiting):
        written, cleared, unchanged = _write(services, project, tasks, report)
        text_fields = [key for each in plan_of(project).texts for key in each.keys]
        columns = services.studio.columns(project.id)
        tabs = show_tabs(services, project, [SelectionField.view(text_fields, columns)], columns)
    return PushedList(written, cleared, unchanged, tabs)


def _write(
    services: Services, project: Project, tasks: Sequence[SelectedTask], report: ProgressCallback
) -> tuple[int, int, int]:
    """Bring the tasks in Label Studio up to date; return how many were written, cleared and right already.

    The database has the new list before Label Studio does, and forgets who left it only afterwards: so whatever is
    marked there is known here, wherever the work stops.
    """
    list_of = services.database.selections
    wanted = {task.task_id: task for task in tasks}
    former = [task.task_id for task in list_of.listed(project.id) if task.task_id not in wanted]
    list_of.put(project.id, tasks)
    written = cleared = unchanged = done = 0
    pending = [*former, *wanted]
    for batch in in_batches(pending, TASKS_PER_READ):
        found = {task.id: task for task in services.studio.tasks_by_id(project.id, batch)}
        for task_id, task in found.items():
            data = SelectionField.marked(task.data, _fields(wanted.get(task_id)))
            if data == task.data:
                unchanged += task_id in wanted
            elif is_replaced(services.studio, task_id, data):
                written += task_id in wanted
                cleared += task_id not in wanted
        list_of.end(project.id, [task_id for task_id in batch if task_id not in wanted or task_id not in found])
        done += len(batch)
        report(Progress(done / len(pending), STAGE, f"brought {done} of {len(pending)} tasks up to date"))
    return written, cleared, unchanged


def _fields(task: SelectedTask | None) -> dict[str, Any]:
    return {} if task is None else {SelectionField.PRIORITY: task.priority, SelectionField.REASON: task.reason}
