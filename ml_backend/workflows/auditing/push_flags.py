"""Show an audit's findings to the people who can settle them: marks in their tasks, and tabs in Label Studio."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...batches import in_batches
from ...domain.annotation import Task
from ...domain.example import Target, first_rows
from ...domain.flag import Flag, FlagOutcome
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.quality import Audit, Disagreement
from ...domain.readable import readable, readable_suggestion
from ...domain.snapshot import Snapshot, Split
from ...labelstudio.plans import plan_of
from ...labelstudio.quality_fields import (
    QualityField,
    ReviewTab,
)
from ...quality.flagging import FlagCandidate, choose_flags
from ...quality.precision import measured_precision
from ...snapshots.store import SnapshotFolder
from ..connecting.tabs import show_tabs
from ..services import Services
from ..task_fields import TASKS_PER_READ, check_names, is_replaced
from .decisions import first_control, flags_of, label_reader, labeled_at, learn_decisions

__all__ = ["push_audit"]

STAGE = "pushing"


@dataclass(frozen=True, slots=True)
class PushedFlags:
    """The outcome of a push.

    Attributes:
        written: tasks that were marked, or whose mark was brought up to date.
        cleared: tasks whose mark was taken away.
        unchanged: tasks whose mark was right already.
        decided: flags that people had settled since the push before.
        tabs: address in Label Studio by title.
    """

    written: int = 0
    cleared: int = 0
    unchanged: int = 0
    decided: int = 0
    tabs: Mapping[str, str] = field(default_factory=dict)


def push_audit(
    services: Services,
    project: Project,
    audit: Audit,
    snapshot: Snapshot,
    report: ProgressCallback = Progress.ignore,
) -> PushedFlags:
    """Mark the most suspicious tasks and those that annotators disagree about, clear all others, and see to the tabs.

    Safe to repeat: a second push of the same audit changes nothing, and one that was killed is resumed.

    Args:
        snapshot: the one that was audited.

    Raises:
        StudioError: Label Studio did not answer or refused, or the label config uses a name of labelloop's fields.
    """
    check_names(project, QualityField, "what it finds")
    waiting = partial(report, Progress(0.0, STAGE, "another process is pushing"))
    with services.database.locks.held(f"review-{project.id}", waiting):
        return _push(services, project, audit, snapshot, report)


def _push(
    services: Services, project: Project, audit: Audit, snapshot: Snapshot, report: ProgressCallback
) -> PushedFlags:
    report(Progress(0.0, STAGE, "reading what people decided"))
    decided = learn_decisions(services, project)
    history = flags_of(services, project.id, first_control(plan_of(project)))
    at_most = services.options.feedback.push_flags_at_most
    precision = measured_precision(history, floor=services.options.feedback.flag_precision_floor)
    labeled, held_out = _labeled(snapshot)
    chosen = choose_flags(
        audit,
        labeled,
        held_out,
        history,
        at_most=at_most,
        silenced={row.kind for row in precision if row.is_silenced and row.kind is not None},
    )
    marker = _Marker(services, project, audit)
    disputes = [each for each in audit.disagreements if not each.is_settled][:at_most]
    marker.want(chosen, disputes)
    marker.write(report)
    tabs = _tabs(services, project, empty=[] if disputes else [ReviewTab.DISAGREEMENT])
    return PushedFlags(marker.written, marker.cleared, marker.unchanged, decided, tabs)


def _labeled(snapshot: Snapshot) -> tuple[dict[int, Mapping[str, Target]], set[int]]:
    """Return the answers of the snapshot's tasks by task and control, and which tasks are held out."""
    rows = [(split, row) for split in Split for row in SnapshotFolder(snapshot.path).rows(split) if row.targets]
    targets = {task_id: row.targets for task_id, row in first_rows(row for _, row in rows).items()}
    return targets, {row.task_id for split, row in rows if split.is_held_out}


def _tabs(services: Services, project: Project, *, empty: Collection[str]) -> dict[str, str]:
    """Return addresses of the tabs, without those that are missing and would be empty."""
    text_fields = [key for shown in plan_of(project).texts for key in shown.keys]
    columns = services.studio.columns(project.id)
    return show_tabs(services, project, [tab.view(text_fields, columns) for tab in ReviewTab], columns, empty=empty)


class _Marker:
    """Brings the marks of a project's tasks, and the flags behind them, to what is wanted.

    Killed half-way, it leaves marks that the next one resumes from.

    Attributes:
        written: tasks that were marked, or whose mark was brought up to date.
        cleared: tasks whose mark was taken away.
        unchanged: tasks whose mark was right already.
    """

    def __init__(self, services: Services, project: Project, audit: Audit) -> None:
        self._studio, self._flags, self._now = services.studio, services.database.flags, services.clock
        self._project_id, self._audit = project.id, audit
        self._labels = label_reader(services, project)
        self._plan = plan_of(project)
        self._chosen: dict[int, FlagCandidate] = {}
        self._disagreements: dict[int, Disagreement] = {}
        first = first_control(self._plan)
        self._open = {flag.task_id: flag.about(first) for flag in self._flags.open(project.id)}
        self.written = self.cleared = self.unchanged = 0

    def want(self, chosen: Iterable[FlagCandidate], disagreements: Iterable[Disagreement]) -> None:
        """Say which tasks are to be marked: suspects, and beside them those that annotators disagree about."""
        self._chosen = {each.task_id: each for each in chosen}
        self._disagreements = {}
        for each in disagreements:
            if each.task_id not in self._chosen:
                self._disagreements.setdefault(each.task_id, each)

    def write(self, report: ProgressCallback) -> None:
        """Clear what is not wanted any more, then mark what is wanted, the most suspicious first.

        Raises:
            StudioError: Label Studio did not answer or refused.
        """
        for task_id in self._open.keys() - self._chosen.keys():
            self._flags.close(self._open[task_id], FlagOutcome.WITHDRAWN)
        present = self._marked_now()
        right = self._right_ones(present)
        self.unchanged = len(right)
        wanted = [*self._chosen, *self._disagreements]
        pending = [*sorted(present.keys() - set(wanted)), *(each for each in wanted if each not in right)]
        done = 0
        for batch in in_batches(pending, TASKS_PER_READ):
            self._write_batch(batch)
            done += len(batch)
            report(Progress(done / len(pending), "pushing", f"brought {done} of {len(pending)} tasks up to date"))

    def _marked_now(self) -> dict[int, Task]:
        present: dict[int, Task] = {}
        for tab in ReviewTab:
            tasks = self._studio.tasks_with(self._project_id, tab.field, ReviewTab.TRUE)
            present |= {task.id: task for task in tasks}
        return present

    def _right_ones(self, present: Mapping[int, Task]) -> set[int]:
        labels = self._labels(present.values())
        right = set()
        for task_id, task in present.items():
            fields = self._fields(task)
            if (
                fields is not None
                and QualityField.marked(task.data, fields) == task.data
                and self._stands(task_id, labels)
            ):
                right.add(task_id)
                self._remember(task)
        return right

    def _write_batch(self, task_ids: list[int]) -> None:
        tasks = {task.id: task for task in self._studio.tasks_by_id(self._project_id, task_ids)}
        labels = self._labels(tasks.values())
        for task_id in task_ids:
            task = tasks.get(task_id)
            if task is None:
                continue  # deleted since the snapshot
            fields = self._fields(task) if self._stands(task_id, labels) else None
            data = QualityField.marked(task.data, fields or {})
            if data != task.data and not is_replaced(self._studio, task_id, data):
                continue
            if fields is not None:
                self.written += data != task.data
                self._remember(task)
            else:
                self.cleared += data != task.data

    def _fields(self, task: Task) -> dict[str, Any] | None:
        """Return what should stand in the task; None where nothing should."""
        text = self._plan.text(task.data)
        if task.id in self._chosen:
            each = self._chosen[task.id]
            return _suspect_fields(each, self._named(each.control), self._plan.about(each.control, text))
        if task.id in self._disagreements:
            disagreement = self._disagreements[task.id]
            about = self._plan.about(disagreement.control, text)
            return _disagreement_fields(disagreement, self._named(disagreement.control), about)
        return None

    def _named(self, control: str) -> str:
        """Return the control's name as it stands before an answer; nothing where there is one control alone."""
        return f"{control}: " if len(self._plan.labeled) > 1 else ""

    def _stands(self, task_id: int, labels: Mapping[int, Mapping[str, Target]]) -> bool:
        """Return False where the answer was changed after the snapshot, so that the suspicion is out of date."""
        candidate = self._chosen.get(task_id)
        return candidate is None or labels.get(task_id, {}).get(candidate.control) == candidate.given

    def _remember(self, task: Task) -> None:
        """Store the flag of a task whose mark people can see: stored earlier, it might count an unrelated change."""
        candidate = self._chosen.get(task.id)
        if candidate is None:
            return
        flag = Flag(
            project_id=self._project_id,
            task_id=task.id,
            control=candidate.control,
            kind=candidate.kind,
            given=candidate.given,
            suggested=candidate.suggested,
            quality=candidate.quality,
            is_held_out=candidate.is_held_out,
            is_decoy=candidate.is_decoy,
            snapshot_id=self._audit.snapshot_id,
            probabilities_from=self._audit.probabilities_from,
            labeled_at=labeled_at(task),
            flagged_at=self._now(),
        )
        open_flag = self._open.get(task.id)
        if open_flag is not None and open_flag.control != flag.control:
            self._flags.close(open_flag, FlagOutcome.WITHDRAWN)
        if open_flag is None or not open_flag.says_the_same_as(flag):
            self._flags.put(flag)


def _suspect_fields(each: FlagCandidate, prefix: str, text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {QualityField.GIVEN: f"{prefix}{readable(each.given, text)}"}
    if each.suggested is not None:
        fields[QualityField.SUGGESTED] = f"{prefix}{readable_suggestion(each.given, each.suggested, text)}"
    return fields | {
        QualityField.ISSUE: each.kind.value,
        QualityField.QUALITY: each.quality,
        QualityField.SUSPECT: True,
    }


def _disagreement_fields(each: Disagreement, prefix: str, text: str) -> dict[str, Any]:
    answers = "; ".join(f"{readable(answer, text)} ({count})" for answer, count in each.answers)
    fields: dict[str, Any] = {QualityField.GIVEN: f"{prefix}{answers}"}
    if each.consensus is not None:
        fields[QualityField.SUGGESTED] = f"{prefix}{readable(each.consensus, text)}"
    return fields | {
        QualityField.QUALITY: round(each.quality, FlagCandidate.QUALITY_DIGITS),
        QualityField.DISAGREEMENT: True,
    }
