"""Learn what people decided about flags from the labels as they are now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ...domain.annotation import Task
from ...domain.example import Target, first_rows, spans_in
from ...domain.flag import Flag, FlagOutcome
from ...domain.project import Project
from ...domain.reasons import ReasonCounts
from ...errors import FlagError
from ...labelstudio.plans import plan_of
from ...quality.precision import KindPrecision, measured_precision
from ...tasks import ServingPlan
from ..exporting.row_source import RowSource
from ..services import Services

__all__ = [
    "confirm_flag",
    "first_control",
    "flags_of",
    "label_reader",
    "labeled_at",
    "learn_decisions",
    "precision_table",
]

_LabelReader = Callable[[Iterable[Task]], Mapping[int, Mapping[str, Target]]]
"""The agreed answers by task and control; tasks without one are not in it."""
EARLIEST = datetime.min.replace(tzinfo=UTC)


def learn_decisions(services: Services, project: Project) -> int:
    """Close the open flags that somebody has decided on; returns how many.

    Changed: the task has another label now. Confirmed: it has the same one, and Label Studio says that an annotation
    was updated, starred or added after the flag. Events would tell as much, but some never arrive.

    Raises:
        StudioError: Label Studio did not answer.
    """
    plan = plan_of(project)
    control = first_control(plan)
    flags = [flag.about(control) for flag in services.database.flags.open(project.id)]
    tasks = {task.id: task for task in services.studio.tasks_by_id(project.id, [flag.task_id for flag in flags])}
    labels = label_reader(services, project)(tasks.values())
    closed = 0
    for flag in flags:
        label = labels.get(flag.task_id, {}).get(flag.control)
        outcome = None if label is None else _outcome(flag, label, tasks[flag.task_id], plan)
        if outcome is not None and services.database.flags.close(flag, outcome, label):
            closed += 1
    return closed


def confirm_flag(services: Services, project: Project, flag_id: int) -> Flag:
    """Close an open flag as one whose label somebody has looked at and found right; returns it.

    The mark in Label Studio stays until flags are pushed the next time.

    Raises:
        FlagError: the flag is not open, or its label may have changed since.
    """
    control = first_control(plan_of(project))
    flag = next((each.about(control) for each in services.database.flags.open(project.id) if each.id == flag_id), None)
    if flag is None:
        raise FlagError(f"flag {flag_id} of project {project.id} is not open; somebody has decided on it meanwhile")
    if services.database.events.has_changed(project.id, flag.task_id, flag.flagged_at):
        raise FlagError(
            f"somebody has changed a label of task {flag.task_id} since it was flagged; push flags again, which learns "
            "what they decided"
        )
    if not services.database.flags.close(flag, FlagOutcome.CONFIRMED, flag.given):
        raise FlagError(f"flag {flag_id} of project {project.id} was decided a moment ago")
    return flag


def precision_table(services: Services, project: Project) -> list[KindPrecision]:
    """Return how often the project's flags were right, by kind, as far as decisions have been learned."""
    flags = services.database.flags.all(project.id)
    return measured_precision(flags, floor=services.options.feedback.flag_precision_floor)


def first_control(plan: ServingPlan) -> str:
    """Return the control that older flags are about: the first one answered with labels; empty where none is."""
    return plan.labeled[0].name if plan.labeled else ""


def flags_of(services: Services, project_id: int, control: str) -> list[Flag]:
    """Return every flag that the project has had, oldest first, each with the control that it is about.

    Args:
        control: the `first_control`.
    """
    return [flag.about(control) for flag in services.database.flags.all(project_id)]


def label_reader(services: Services, project: Project) -> _LabelReader:
    """Return what tells the agreed answers of each task that has one, by the rule that a snapshot follows."""

    source = RowSource.of_project(services, project, ())

    def read(tasks: Iterable[Task]) -> dict[int, Mapping[str, Target]]:
        # What people decided is in the labels, whatever hooks make of them.
        rows = replace(source, tasks=tasks).rows(ReasonCounts(), with_hooks=False)
        return {task_id: row.targets for task_id, row in first_rows(rows).items()}

    return read


def labeled_at(task: Task) -> str:
    """Return when the task's annotations last changed, as Label Studio wrote it; empty where there are none."""
    times = [a.updated_at or a.created_at or "" for a in task.annotations if not a.was_cancelled]
    return max(times, key=_time, default="")


def _outcome(flag: Flag, label: Target, task: Task, plan: ServingPlan) -> FlagOutcome | None:
    if label != _trimmed(flag.given, plan.about(flag.control, plan.text(task.data))):
        return FlagOutcome.CHANGED_TO_SUGGESTION if label == flag.suggested else FlagOutcome.CHANGED
    # Both times are Label Studio's own, so that clocks that differ do no harm.
    return FlagOutcome.CONFIRMED if _time(labeled_at(task)) > _time(flag.labeled_at) else None


def _trimmed(target: Target, text: str) -> Target:
    """Return an answer as it is read today: in older flags, spans may still have white space at their ends."""
    spans = spans_in(target)
    trimmed = (span.trimmed(text[span.start : span.end]) for span in spans)
    return tuple(sorted(span for span in trimmed if span)) if spans else target


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return EARLIEST
    return time if time.tzinfo else time.replace(tzinfo=UTC)
