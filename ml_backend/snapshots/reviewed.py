"""Make reviewed tasks into rows one by one, before the rows are compared with one another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ..domain.annotation import Annotation, Task
from ..domain.config_changes import Absence
from ..domain.event import AnnotationEvent
from ..domain.example import Row, Target
from ..domain.reasons import Reason, ReasonCounts
from ..domain.snapshot import SplitFractions, normalised
from ..tasks import ServingPlan
from .leakage import DEFAULT_THRESHOLD, check_threshold
from .review import ReviewRule
from .settle import all_answers, read_answers, settled_row

__all__ = [
    "BuildSettings",
    "History",
    "RowChange",
    "changed_rows",
    "count_disagreements",
    "reviewed_rows",
    "row_of",
]

History = Callable[[Task, Annotation], AnnotationEvent | None]
"""Returns what events say about a task's annotation; None where labelloop did not see the annotation being made."""

RowChange = Callable[[Iterable[Row]], Iterable[Row]]
"""Returns the rows in order, changed or not, without those that are to be left out."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """The settings that decide which tasks become rows.

    Attributes:
        trust_ground_truth: a ground-truth annotation settles a disagreement even where nobody was seen starring it.
        absences: the periods in which controls were missing from the label config, for those that were not always
            there; an annotation from such a period that leaves them empty says nothing about them.
        near_duplicate_threshold: similarity from which a train row repeats a held-out one; see `leakage`.

    Raises:
        ConfigurationError: the threshold is not above 0 and at most 1.
    """

    split: SplitFractions = field(default_factory=SplitFractions)
    review_rule: ReviewRule = field(default_factory=ReviewRule)
    trust_ground_truth: bool = False
    near_duplicate_threshold: float = DEFAULT_THRESHOLD
    absences: Mapping[str, Sequence[Absence]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_threshold(self.near_duplicate_threshold)


def reviewed_rows(
    tasks: Iterable[Task],
    plan: ServingPlan,
    settings: BuildSettings,
    history: History,
    *,
    reasons: ReasonCounts,
    change: RowChange = lambda rows: rows,
) -> Iterator[Row]:
    """Yield the row of every reviewed task with an agreed answer, without a split and including duplicates.

    Args:
        reasons: counts what is left out while rows pass.
        change: applied to every row.
    """
    return changed_rows(_settled_rows(tasks, plan, settings, history, reasons), change, reasons)


def changed_rows(rows: Iterable[Row], change: RowChange, reasons: ReasonCounts) -> Iterator[Row]:
    """Yield the rows after a change; rows that it leaves out are counted."""
    waiting: deque[int] = deque()

    def given() -> Iterator[Row]:
        for row in rows:
            waiting.append(row.task_id)
            yield row

    for row in change(given()):
        # Rows come out in order, so rows that went in before this one and did not come out were left out.
        while waiting and (task_id := waiting.popleft()) != row.task_id:
            reasons.add(Reason.LEFT_OUT_BY_HOOK, task_id)
        yield row
    for task_id in waiting:
        reasons.add(Reason.LEFT_OUT_BY_HOOK, task_id)


def row_of(
    task: Task, plan: ServingPlan, settings: BuildSettings, history: History, reasons: ReasonCounts
) -> Row | Reason:
    """Return the row of one task, which is unresolved where it has no targets, or the reason for having none.

    Args:
        reasons: counts the answers that do not count.
    """
    text = plan.text(task.data)

    def answers(annotation: Annotation) -> tuple[Target | None, ...] | None:
        found = all_answers(annotation, plan, text, settings.absences)
        return None if all(answer is None for answer in found) else found

    reviewed = settings.review_rule.reviewed(task, answers)
    if not reviewed:
        return _why_not_reviewed(task)
    if not normalised(text):
        return Reason.EMPTY_TEXT
    reading = read_answers(reviewed, plan, text, partial(history, task), settings.absences)
    for cause in reading.causes:
        reasons.add(cause.reason, task.id, cause.control, cause.label)
    if not reading.answers:
        return Reason.UNKNOWN_LABEL if any(cause.label for cause in reading.causes) else Reason.NO_ANSWER
    return settled_row(task, plan, reading.answers, trust_ground_truth=settings.trust_ground_truth)


def count_disagreements(rows: Iterable[Row], reasons: ReasonCounts) -> None:
    """Count the rows whose annotators agree on nothing, and in the others the answers on which they disagree."""
    for row in rows:
        answered = {name for label in row.labels for name in label.targets}
        for control in sorted(answered - row.targets.keys()) if row.targets else [""]:
            reasons.add(Reason.UNRESOLVED, row.task_id, control)


def _settled_rows(
    tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History, reasons: ReasonCounts
) -> Iterator[Row]:
    for task in tasks:
        result = row_of(task, plan, settings, history, reasons)
        if isinstance(result, Reason):
            reasons.add(result, task.id)
            continue
        count_disagreements([result], reasons)
        if result.targets:
            yield result


def _why_not_reviewed(task: Task) -> Reason:
    if not task.annotations:
        return Reason.NOT_ANNOTATED
    return Reason.SKIPPED if all(a.was_cancelled for a in task.annotations) else Reason.NOT_REVIEWED
