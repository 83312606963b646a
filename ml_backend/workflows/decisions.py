"""What people decided about flags, learned from the labels as they are now."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from ..domain.annotation import Task
from ..domain.example import Target
from ..domain.flag import Flag, FlagOutcome
from ..domain.project import Project
from ..quality.precision import KindPrecision, measured_precision
from ..snapshots.build import reviewed_rows
from .export import build_settings
from .services import Services
from .setup import plan_of

__all__ = ["LabelReader", "label_reader", "labeled_at", "learn_decisions", "precision_table"]

LabelReader = Callable[[Iterable[Task]], Mapping[int, Target]]
EARLIEST = datetime.min.replace(tzinfo=UTC)


def learn_decisions(services: Services, project: Project) -> int:
    """Close the open flags that somebody has decided on; returns how many.

    Changed: the task has another label now. Confirmed: it has the same one, and Label Studio says that an annotation
    was updated, starred or added after the flag. Events would tell as much, but some never arrive.

    Raises:
        StudioError: Label Studio did not answer.
    """
    flags = services.database.flags.open(project.id)
    tasks = {task.id: task for task in services.studio.tasks_by_id(project.id, [flag.task_id for flag in flags])}
    labels = label_reader(services, project)(tasks.values())
    closed = 0
    for flag in flags:
        label = labels.get(flag.task_id)
        outcome = None if label is None else _outcome(flag, label, tasks[flag.task_id])
        if outcome is not None and services.database.flags.close(flag, outcome, label):
            closed += 1
    return closed


def precision_table(services: Services, project: Project) -> list[KindPrecision]:
    """How often the project's flags were right, by kind, as far as decisions have been learned."""
    flags = services.database.flags.all(project.id)
    return measured_precision(flags, floor=services.options.flag_precision_floor)


def label_reader(services: Services, project: Project) -> LabelReader:
    """What tells the agreed label of each task that has one, by the rule that a snapshot follows."""
    plan = plan_of(project)
    settings = build_settings(services, project.split, project)
    history = services.database.events.history(project.id)
    control = plan.controls[0].name

    def read(tasks: Iterable[Task]) -> dict[int, Target]:
        rows = reviewed_rows(tasks, plan, settings, history.get)
        return {row.task_id: row.targets[control] for row in rows if control in row.targets}

    return read


def labeled_at(task: Task) -> str:
    """Time of the last change of the task's annotations as Label Studio wrote it; empty where there are none."""
    times = [a.updated_at or a.created_at or "" for a in task.annotations if not a.was_cancelled]
    return max(times, key=_time, default="")


def _outcome(flag: Flag, label: Target, task: Task) -> FlagOutcome | None:
    if label != flag.given:
        return FlagOutcome.CHANGED_TO_SUGGESTION if label == flag.suggested else FlagOutcome.CHANGED
    # Both times are Label Studio's own, so that clocks that differ do no harm.
    return FlagOutcome.CONFIRMED if _time(labeled_at(task)) > _time(flag.labeled_at) else None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return EARLIEST
    return time if time.tzinfo else time.replace(tzinfo=UTC)
