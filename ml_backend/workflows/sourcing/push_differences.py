"""Show in Label Studio where sources and people differ, for people to settle: fields in the tasks, and a tab."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

from ...batches import in_batches
from ...domain.annotation import Annotation, Task
from ...domain.example import spans_in
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.readable import readable, readable_suggestion, shortened
from ...labelstudio.quality_fields import ReviewTab, SourceField
from ..auditing.audit import AuditFiles
from ..auditing.decisions import label_reader, labeled_at
from ..connecting.tabs import show_tabs
from ..services import Services
from ..task_fields import TASKS_PER_READ, check_names, is_replaced
from .differences import SourceDifference, source_differences
from .read import ReadTexts

__all__ = ["push_differences"]

STAGE = "pushing"
REASON_CHARACTERS = 160
DIGITS = 2


@dataclass(slots=True)
class _PushedDifferences:
    """The outcome of a push.

    Attributes:
        written: tasks that came into the tab, or whose fields were brought up to date.
        unchanged: tasks that were right already.
        cleared: tasks that left it.
        settled: those of them, and of earlier pushes, in which somebody looked and let the answer stand.
        left: further tasks that have no place in the tab yet.
        unlikely: further tasks in which people are too likely right, by the floor for flags.
        tabs: address in Label Studio by title.
    """

    written: int = 0
    unchanged: int = 0
    cleared: int = 0
    settled: int = 0
    left: int = 0
    unlikely: int = 0
    tabs: dict[str, str] = field(default_factory=dict)


def push_differences(
    services: Services, project: Project, read: ReadTexts, report: ProgressCallback = Progress.ignore
) -> _PushedDifferences:
    """Mark the train tasks in which sources are surest that people erred, clear all others, and see to the tab.

    What people settled is not asked again: where they changed the answer, nothing differs any more, and where they
    looked and let it stand, the task says so. Safe to repeat, and after a push that was killed.

    Where an audit of the project lies on this machine, its opinion of people's answers counts beside that of sources.

    Raises:
        StudioError: Label Studio did not answer or refused, or the label config uses a name of labelloop's fields.
    """
    check_names(project, SourceField, "what sources say")
    waiting = partial(report, Progress(0.0, STAGE, "another process is pushing"))
    with services.database.locks.held(f"review-{project.id}", waiting):
        quality = _believed(services, project, read)
        pushed = _Pusher(services, project, read, report).push(source_differences(read, quality))
        text_fields = [key for shown in read.plan.texts for key in shown.keys]
        columns = services.studio.columns(project.id)
        pushed.tabs = show_tabs(services, project, [SourceField.view(text_fields, columns)], columns)
    return pushed


def _believed(services: Services, project: Project, read: ReadTexts) -> dict[str, dict[int, float]]:
    """Return what the last audit on this machine thinks of answers that have not changed since."""
    files = AuditFiles.latest(services, project)
    if files is None:
        return {}
    written_at = datetime.fromtimestamp(files.json.stat().st_mtime, tz=UTC)
    changed = {row.task_id for row in read.rows if Annotation.time_of(row.provenance.reviewed_at) > written_at}
    audit = json.loads(files.json.read_text(encoding="utf-8"))
    return {
        control["control"]: {
            int(task_id): quality for task_id, quality in control["quality"].items() if int(task_id) not in changed
        }
        for control in audit["controls"]
    }


class _Pusher:
    """Brings the fields of a project's tasks to what is wanted."""

    def __init__(self, services: Services, project: Project, read: ReadTexts, report: ProgressCallback) -> None:
        self._studio, self._project, self._read, self._report = services.studio, project, read, report
        self._at_most = services.options.feedback.push_flags_at_most
        self._floor = services.options.feedback.flag_precision_floor
        self._labels = label_reader(services, project)
        self._done = _PushedDifferences()

    def push(self, differences: Sequence[SourceDifference]) -> _PushedDifferences:
        """Return the outcome of a push.

        Raises:
            StudioError: Label Studio did not answer or refused.
        """
        shown: set[int] = set()
        likely = [each for each in differences if each.confidence >= self._floor]
        self._done.unlikely = len(differences) - len(likely)
        waiting = iter(likely)
        while len(shown) < self._at_most:
            # No more at a time than there is room for: some turn out to be settled.
            batch = list(islice(waiting, min(TASKS_PER_READ, self._at_most - len(shown))))
            if not batch:
                break
            shown |= set(self._shown(batch))
            self._report(Progress(len(shown) / self._at_most, STAGE, f"marked {len(shown)} tasks"))
        self._done.left = sum(1 for _ in waiting)
        present = self._studio.tasks_with(self._project.id, SourceField.DIFFERS, ReviewTab.TRUE)
        outdated = [task.id for task in present if task.id not in shown]
        for numbers in in_batches(outdated, TASKS_PER_READ):
            for task in self._studio.tasks_by_id(self._project.id, numbers):
                self._done.cleared += is_replaced(self._studio, task.id, SourceField.marked(task.data, {}))
        return self._done

    def _shown(self, batch: Sequence[SourceDifference]) -> Iterator[int]:
        """Yield the ids of those tasks that stand in the tab now."""
        by_task = {each.task_id: each for each in batch}
        tasks = self._studio.tasks_by_id(self._project.id, list(by_task))
        labels = self._labels(tasks)
        for task in tasks:
            difference = by_task[task.id]
            if labels.get(task.id, {}).get(difference.control) != difference.given:
                continue  # answered anew since the texts were read
            fields = self._fields(task, difference)
            data = SourceField.marked(task.data, fields)
            if SourceField.SETTLED in fields:
                self._done.settled += 1
                self._done.cleared += data != task.data and is_replaced(self._studio, task.id, data)
            elif data == task.data or is_replaced(self._studio, task.id, data):
                self._done.unchanged += data == task.data
                self._done.written += data != task.data
                yield task.id

    def _fields(self, task: Task, difference: SourceDifference) -> dict[str, Any]:
        """Return what should stand in a task in which sources and people differ."""
        says, changed_at = self._says(difference), labeled_at(task)
        if task.data.get(SourceField.SETTLED) == says:
            return {SourceField.SETTLED: says}
        seen_at = changed_at
        if task.data.get(SourceField.DIFFERS) is True and task.data.get(SourceField.SAYS) == says:
            seen_at = str(task.data.get(SourceField.LABELED_AT) or changed_at)
            if Annotation.time_of(changed_at) > Annotation.time_of(seen_at):
                return {SourceField.SETTLED: says}
        return {
            SourceField.DIFFERS: True,
            SourceField.SAYS: says,
            SourceField.REASON: "; ".join(self._reasons(difference)),
            SourceField.CONFIDENCE: round(difference.confidence, DIGITS),
            SourceField.LABELED_AT: seen_at,
        }

    def _says(self, difference: SourceDifference) -> str:
        name = f"{difference.control}: " if len(self._read.controls) > 1 else ""
        said = readable_suggestion(difference.given, difference.says, difference.text)
        if spans_in(difference.given) or spans_in(difference.says):
            return f"{name}{said}"
        return f"{name}{said} instead of {readable(difference.given)}"

    def _reasons(self, difference: SourceDifference) -> Iterator[str]:
        """Yield each source that says so, with its reason and who gave it."""
        for number in difference.sources:
            source = self._read.sources[number]
            by = f" ({source.by})" if source.by else ""
            yield f"{source.name}{by}: {shortened(source.reason, REASON_CHARACTERS)}" if source.reason else source.name
