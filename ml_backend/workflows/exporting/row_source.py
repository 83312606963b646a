"""Tasks of a project or of an export file, and the rows that they give by the settings and the project's history."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from ...domain.annotation import Annotation, Task
from ...domain.config_changes import Absence
from ...domain.event import AnnotationEvent
from ...domain.example import Row, first_rows
from ...domain.project import Project
from ...domain.reasons import Reason, ReasonCount, ReasonCounts
from ...domain.snapshot import SplitFractions, SplitRule
from ...errors import SnapshotError
from ...labelstudio.files.export_file import read_export
from ...labelstudio.files.flat_export import read_flat_export
from ...labelstudio.files.flat_file import FlatFile
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.plans import plan_of
from ...snapshots.believe import credible_event
from ...snapshots.build import BuiltRows, build_rows
from ...snapshots.review import ReviewRule
from ...snapshots.reviewed import BuildSettings, History, RowChange, reviewed_rows
from ...tasks import ServingPlan
from ...tasks.shown_texts import ReadFields
from ..accepting.accepted import marked
from ..connecting.config_history import control_absences
from ..connecting.projects import read_fields
from ..services import Services
from ..splits import FileSplits, ProjectSplits, TaskSplits

__all__ = ["RowSource", "plan_of_file", "row_change", "rows_of_tasks"]


@dataclass(frozen=True, slots=True)
class RowSource:
    """A source of rows.

    Attributes:
        name: what errors call it.
        tasks: may be read once.
        splits: those of the tasks; None where rows are wanted without.
        history: what events say of an annotation; nothing where labelloop did not see it being made.
        absences: see `BuildSettings`.
    """

    services: Services
    name: str
    tasks: Iterable[Task]
    plan: ServingPlan
    splits: TaskSplits | None
    history: History
    absences: Mapping[str, Sequence[Absence]] = field(default_factory=dict)

    @classmethod
    def of_project(cls, services: Services, project: Project, tasks: Sequence[Task] | None = None) -> "RowSource":
        """Return a project's reviewed tasks as Label Studio holds them now.

        Args:
            tasks: these instead.

        Raises:
            StudioError: Label Studio cannot be read; raised when the reading gets there.
        """
        services, plan = services.for_project(project.id), plan_of(project)
        splits = ProjectSplits(services, project)
        source = services.studio.reviewed_tasks(project.id) if tasks is None else tasks
        source = marked(services, project.id, source)
        chosen = None if tasks is None else {each.id for task in tasks for each in task.annotations}
        history, absences = _event_history(services, project, plan, splits, chosen), control_absences(services, project)
        return cls(services, f"project {project.id}", source, plan, splits, history, absences)

    @classmethod
    def of_file(
        cls,
        services: Services,
        export: Path,
        plan: ServingPlan,
        notes: FileNotes,
        split: SplitFractions | None = None,
    ) -> "RowSource":
        """Return every task of a Label Studio export (JSON, JSON_MIN, CSV or TSV), read in constant memory.

        Args:
            notes: counts the values that had to be changed or left out.
            split: None where rows are wanted without splits.

        Raises:
            StudioExportError: the file is not such an export; raised when the reading gets there.
        """

        # labelloop did not see the annotations of a file being made.
        splits = None if split is None else FileSplits(split)
        tasks = _tasks(export, plan, notes)
        return cls(services, str(export), tasks, plan, splits, lambda _task, _annotation: None)

    def settings(self, split: SplitFractions) -> BuildSettings:
        """Return what decides on rows."""
        options = self.services.options.labels
        return BuildSettings(
            split=split,
            split_rule=SplitRule.TEXT if self.splits is None else self.splits.rule,
            review_rule=ReviewRule.parse(options.review_rule),
            trust_ground_truth=options.trust_ground_truth,
            absences=self.absences,
            train_on_accepted=options.train_on_accepted,
            slice_fields=options.sliced_fields,
        )

    def build(self, settings: BuildSettings) -> BuiltRows:
        """Return the rows in their splits, after the hooks, with duplicates and leaks dropped.

        Raises:
            HookError: a hook failed with a row.
        """
        split_of = None if self.splits is None else self.splits.of
        return build_rows(
            self._tasks(),
            self.plan,
            settings,
            self.history,
            change=row_change(self.services, self.plan),
            split_of=split_of,
        )

    def rows(self, reasons: ReasonCounts, *, with_hooks: bool = True) -> Iterator[Row]:
        """Yield the row of every task that a person reviewed, without a split and including duplicates.

        Args:
            reasons: counts what is left out while rows pass.
            with_hooks: rows are changed as hooks want it.

        Raises:
            HookError: a hook failed with a row; raised when the reading gets there.
        """
        settings = replace(self.settings(SplitFractions(1, 0, 0)), train_on_accepted=False)
        change = row_change(self.services, self.plan) if with_hooks else iter
        return reviewed_rows(self._tasks(), self.plan, settings, self.history, reasons=reasons, change=change)

    def no_row_error(self, reasons: Iterable[ReasonCount], notes: Iterable[str] = ()) -> SnapshotError:
        """Return the error for a source without a row; it names all that was left out, and the notes on a file."""
        reasons = tuple(reasons)
        unresolved = sum(each.count for each in reasons if not each.control and each.reason is Reason.UNRESOLVED)
        not_reviewed = sum(each.count for each in reasons if each.reason.is_unreviewed)
        rule = self.services.options.labels.review_rule
        left_out = "; ".join([*map(str, reasons), *notes]) or "no annotated task at all"
        return SnapshotError(
            f"{self.name} holds no reviewed task that gives a row ({unresolved} unresolved, {not_reviewed} not "
            f"reviewed): {left_out}; wanted at least one, by the review rule {rule!r}"
        )

    def _tasks(self) -> Iterable[Task]:
        return self.tasks if self.splits is None else self.splits.reading(self.tasks, self.plan)


def row_change(services: Services, plan: ServingPlan) -> RowChange:
    """Return what changes rows as hooks want it, and leaves nothing in them but what is read."""
    labels = {served.name: frozenset(served.control.label_values) for served in plan.controls}

    def change(rows: Iterable[Row]) -> Iterator[Row]:
        # What hooks add to a row cannot be read, since the tasks that are answered lack it.
        for row in services.hooks.change_rows(rows, labels=labels):
            yield plan.row(row)

    return change


def rows_of_tasks(services: Services, project: Project, task_ids: Collection[int]) -> dict[int, Row]:
    """Return the rows of those of these tasks that people have reviewed, by task, as Label Studio holds them now.

    Raises:
        StudioError: Label Studio cannot be read.
        HookError: a hook failed with a row.
    """
    tasks = services.studio.tasks_by_id(project.id, task_ids)
    return first_rows(RowSource.of_project(services, project, tasks).rows(ReasonCounts()))


def plan_of_file(services: Services, export: Path, label_config: str) -> tuple[ServingPlan, tuple[str, ...]]:
    """Return what is read of a Label Studio export, by its first tasks, and sentences on fields that are left out.

    Raises:
        LabelConfigError: the label config cannot be served.
        StudioExportError: the file is not such an export.
    """
    plan = plan_of(label_config)
    if not plan.fixed_fields:
        return plan, ()
    tasks = islice(_tasks(export, plan, FileNotes()), ReadFields.TASKS_READ)
    fields = read_fields(services, plan, (task.data for task in tasks))
    return plan_of(label_config, fields.names), fields.sentences


def _tasks(export: Path, plan: ServingPlan, notes: FileNotes) -> Iterator[Task]:
    is_flat = FlatFile(export).is_flat()
    yield from read_flat_export(export, plan.config, notes) if is_flat else read_export(export, notes)


def _event_history(
    services: Services, project: Project, plan: ServingPlan, splits: TaskSplits, annotation_ids: Collection[int] | None
) -> History:
    """Return a function that gives the events about an annotation, merged, as far as Label Studio confirms them.

    Args:
        annotation_ids: the annotations that it will be asked about; None: any.
    """
    events = services.database.events.by_annotation(project.id, annotation_ids)

    def history(task: Task, annotation: Annotation) -> AnnotationEvent | None:
        is_held_out = splits.of(plan.text(task.data)).is_held_out
        return credible_event(events.get(annotation.id, ()), task, annotation, is_held_out=is_held_out)

    return history
