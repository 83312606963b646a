"""Marks in tasks: what stands in Label Studio is compared with what should, and only the difference is written."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ...batches import in_batches
from ...domain.annotation import Task
from ...domain.example import Target
from ...domain.flag import Flag, FlagOutcome
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.quality import Audit, Disagreement
from ...domain.readable import readable, readable_suggestion
from ...errors import StudioRejected
from ...labelstudio.plans import plan_of
from ...labelstudio.quality_fields import (
    QualityField,
    ReviewTab,
)
from ...quality.flagging import QUALITY_DIGITS, FlagCandidate
from ..services import Services
from .decisions import first_control, label_reader, labeled_at

__all__ = ["Marker"]

log = logging.getLogger(__name__)

TASKS_PER_READ = 10
"""Read just before they are written, a second's worth at a time: what others write in between would be lost."""
PASSED_OVER = (400, 404)
"""Data that Label Studio does not take, and a task that was deleted this very moment: no reason to leave the others."""


class Marker:
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
        self._plan = plan_of(project.label_config)
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
            if data != task.data and not self._replaced(task_id, data):
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
            return _suspect_fields(each, self._named(each.control), text)
        if task.id in self._disagreements:
            disagreement = self._disagreements[task.id]
            return _disagreement_fields(disagreement, self._named(disagreement.control), text)
        return None

    def _named(self, control: str) -> str:
        """Return the control's name as it stands before an answer; nothing where there is one control alone."""
        return f"{control}: " if len(self._plan.labeled) > 1 else ""

    def _stands(self, task_id: int, labels: Mapping[int, Mapping[str, Target]]) -> bool:
        """Return False where the answer was changed after the snapshot, so that the suspicion is out of date."""
        candidate = self._chosen.get(task_id)
        return candidate is None or labels.get(task_id, {}).get(candidate.control) == candidate.given

    def _replaced(self, task_id: int, data: Mapping[str, Any]) -> bool:
        try:
            self._studio.replace_data(task_id, data)
        except StudioRejected as error:
            if error.status not in PASSED_OVER:
                raise
            log.warning("task %s was not marked: %s", task_id, error)
            return False
        return True

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
        known = self._open.get(task.id)
        if known is not None and known.control != flag.control:
            self._flags.close(known, FlagOutcome.WITHDRAWN)
        if known is None or not known.says_the_same_as(flag):
            self._flags.put(flag)


def _suspect_fields(each: FlagCandidate, asked: str, text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {QualityField.GIVEN: f"{asked}{readable(each.given, text)}"}
    if each.suggested is not None:
        fields[QualityField.SUGGESTED] = f"{asked}{readable_suggestion(each.given, each.suggested, text)}"
    return fields | {
        QualityField.ISSUE: each.kind.value,
        QualityField.QUALITY: each.quality,
        QualityField.SUSPECT: True,
    }


def _disagreement_fields(each: Disagreement, asked: str, text: str) -> dict[str, Any]:
    answers = "; ".join(f"{readable(answer, text)} ({count})" for answer, count in each.answers)
    fields: dict[str, Any] = {QualityField.GIVEN: f"{asked}{answers}"}
    if each.consensus is not None:
        fields[QualityField.SUGGESTED] = f"{asked}{readable(each.consensus, text)}"
    return fields | {QualityField.QUALITY: round(each.quality, QUALITY_DIGITS), QualityField.DISAGREEMENT: True}
