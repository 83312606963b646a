"""Rows out of reviewed tasks: settled, split, freed of duplicates and leaks, and counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from ..domain.annotation import Annotation, Task
from ..domain.config_changes import Absence
from ..domain.event import AnnotationEvent
from ..domain.example import Row, Target
from ..domain.snapshot import Split, SplitFractions, normalised, split_of
from ..tasks import ServedControl, ServingPlan
from .leakage import DEFAULT_THRESHOLD, check_threshold, find_leaks
from .review import ReviewRule
from .settle import Void, all_answers, read_answers, settled_row
from .warn import warnings_about

__all__ = [
    "BuildSettings",
    "BuiltRows",
    "DropReason",
    "DroppedRow",
    "History",
    "RowChange",
    "build_rows",
    "reviewed_rows",
]

History = Callable[[Task, Annotation], AnnotationEvent | None]
"""What events tell of an annotation of a task, None where labelloop did not see the annotation being made."""

RowChange = Callable[[Iterable[Row]], Iterable[Row]]
"""Gives the rows back in order, changed or not, without those that are to be left out."""

LabelCounts = Mapping[str, Mapping[str, Mapping[str, int]]]


class DropReason(StrEnum):
    """Why a reviewed task gives no row."""

    EMPTY_TEXT = "empty_text"
    NO_ANSWER = "no_answer"
    UNKNOWN_LABEL = "unknown_label"
    REPEATED_TASK = "repeated_task"
    LEFT_OUT_BY_HOOK = "left_out_by_hook"
    DUPLICATE = "duplicate"
    DUPLICATE_OF_HELD_OUT = "duplicate_of_held_out"
    NEAR_DUPLICATE_OF_HELD_OUT = "near_duplicate_of_held_out"


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A reviewed task that gave no row.

    Attributes:
        of: id of the row that it repeats, None where it repeats none.
    """

    task_id: int
    reason: DropReason
    of: str | None = None


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What decides which rows there are.

    Attributes:
        trust_ground_truth: a ground-truth annotation settles a disagreement even where nobody was seen starring it.
        absences: when controls were not in the label config, for those that were not there all the time; an annotation
            of such a time that leaves them empty says nothing about them.
        near_duplicate_threshold: likeness from which a train row repeats a held-out one; see `leakage`.

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


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """Everything that goes into a snapshot. All rows are ordered by task id.

    Attributes:
        splits: rows per split; every split is there, if empty.
        unresolved: rows whose annotators agree on no control, with empty targets.
        moved: split per task id, of the unresolved rows whose changed text would belong to another one.
        label_counts: rows per split, control and label that they hold; labels without a row count 0.
        not_reviewed: tasks that the review rule left out. They are no part of the snapshot.
        warnings: what a reader should know before trusting the rows, in sentences.
    """

    splits: Mapping[Split, tuple[Row, ...]]
    unresolved: tuple[Row, ...] = ()
    moved: Mapping[int, Split] = field(default_factory=dict)
    dropped: tuple[DroppedRow, ...] = ()
    label_counts: LabelCounts = field(default_factory=dict)
    not_reviewed: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rows per split, and beside them how many are unresolved and dropped."""
        counts = {split.value: len(self.splits.get(split, ())) for split in Split}
        return counts | {"unresolved": len(self.unresolved), "dropped": len(self.dropped)}

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Dropped rows per reason, for the reasons that occur."""
        found = Counter(row.reason for row in self.dropped)
        return {reason.value: found[reason] for reason in DropReason if found[reason]}


def build_rows(
    tasks: Iterable[Task],
    plan: ServingPlan,
    settings: BuildSettings,
    history: History,
    change: RowChange = lambda rows: rows,
) -> BuiltRows:
    """Rows of all reviewed tasks, the same ones whatever order the tasks come in.

    Args:
        change: applied to every row, after its text has decided on its split and before leaks are looked for, which
            are leaks to those who read the changed text.
    """
    rows, dropped, not_reviewed, voids = _rows_of(tasks, plan, settings, history)
    rows, duplicates = _without_duplicates(rows, plan)
    splits = _split(rows, plan, settings.split)
    splits = {split: list(change(splits[split])) for split in Split}
    disagreed = [row for row in rows if not row.targets]
    unresolved = tuple(change(disagreed))
    kept = {row.task_id for found in (*splits.values(), unresolved) for row in found}
    dropped += [DroppedRow(row.task_id, DropReason.LEFT_OUT_BY_HOOK) for row in rows if row.task_id not in kept]
    train, leaks = _without_leaks(splits, plan, settings.near_duplicate_threshold)
    splits[Split.TRAIN] = train
    label_counts = _label_counts(splits, plan)
    return BuiltRows(
        splits={split: tuple(splits[split]) for split in Split},
        unresolved=unresolved,
        moved=_moved(disagreed, unresolved, plan, settings.split),
        dropped=tuple(sorted([*dropped, *duplicates, *leaks], key=lambda drop: (drop.task_id, drop.reason))),
        label_counts=label_counts,
        not_reviewed=not_reviewed,
        warnings=warnings_about(splits, label_counts, settings.split, voids),
    )


def reviewed_rows(tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History) -> Iterator[Row]:
    """The row of every reviewed task with an agreed answer, as a stream: in no split, duplicates included."""
    for task in tasks:
        result = _row_of(task, plan, settings, history, Counter())
        if isinstance(result, Row) and result.targets:
            yield result


def _rows_of(
    tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History
) -> tuple[list[Row], list[DroppedRow], int, Counter[Void]]:
    rows: dict[int, Row] = {}
    dropped: list[DroppedRow] = []
    voids: Counter[Void] = Counter()
    not_reviewed = 0
    for task in tasks:
        result = _row_of(task, plan, settings, history, voids)
        if result is None:
            not_reviewed += 1
        elif isinstance(result, DropReason):
            dropped.append(DroppedRow(task.id, result))
        elif task.id in rows:
            # A live export reads page by page while people label, hence may come across a task twice.
            dropped.append(DroppedRow(task.id, DropReason.REPEATED_TASK, rows[task.id].id))
        else:
            rows[task.id] = result
    return [rows[task_id] for task_id in sorted(rows)], dropped, not_reviewed, voids


def _row_of(
    task: Task, plan: ServingPlan, settings: BuildSettings, history: History, voids: Counter[Void]
) -> Row | DropReason | None:
    text = plan.text(task.data)

    def answers(annotation: Annotation) -> tuple[Target | None, ...] | None:
        found = all_answers(annotation, plan, text, settings.absences)
        return None if all(answer is None for answer in found) else found

    reviewed = settings.review_rule.reviewed(task, answers)
    if not reviewed:
        return None
    if not normalised(text):
        return DropReason.EMPTY_TEXT
    reading = read_answers(reviewed, plan, text, partial(history, task), settings.absences)
    voids.update(reading.voids)
    if not reading.answers:
        return DropReason.UNKNOWN_LABEL if any(void.label for void in reading.voids) else DropReason.NO_ANSWER
    return settled_row(task, plan, reading.answers, trust_ground_truth=settings.trust_ground_truth)


def _without_duplicates(rows: Sequence[Row], plan: ServingPlan) -> tuple[list[Row], list[DroppedRow]]:
    """One row per text, the fullest and of equals the first, where all rows of the text agree.

    Equal texts share a split, so this never moves a row. Where the answers to a control differ, annotators disagree
    about the text, whichever task they saw it in: all its rows lose that answer, because any one of them in train
    would contradict what other people said, and one in test would make that test's truth a matter of the order of
    tasks. Rows that are unresolved already take no side.
    """
    by_text: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.targets:
            by_text[normalised(row.input[plan.field])].append(row)
    kept = {row.id: row for row in rows}
    dropped = []
    for same in by_text.values():
        agreed = _without_conflicts(same)
        kept.update({row.id: row for row in agreed})
        fullest: list[Row] = []
        for row in sorted((row for row in agreed if row.targets), key=lambda row: -len(row.targets)):
            known = next((each for each in fullest if row.targets.items() <= each.targets.items()), None)
            if known is None:
                fullest.append(row)
            else:
                del kept[row.id]
                dropped.append(DroppedRow(row.task_id, DropReason.DUPLICATE, known.id))
    return list(kept.values()), dropped


def _without_conflicts(rows: Sequence[Row]) -> list[Row]:
    """Rows of one text without the answers that differ between them."""
    given: dict[str, set[Target]] = defaultdict(set)
    for row in rows:
        for name, target in row.targets.items():
            given[name].add(target)
    conflicts = {name for name, targets in given.items() if len(targets) > 1}
    if not conflicts:
        return list(rows)
    return [
        replace(row, targets={name: target for name, target in row.targets.items() if name not in conflicts})
        for row in rows
    ]


def _split(rows: Iterable[Row], plan: ServingPlan, fractions: SplitFractions) -> dict[Split, list[Row]]:
    splits: dict[Split, list[Row]] = {split: [] for split in Split}
    for row in rows:
        if row.targets:
            splits[split_of(row.input[plan.field], fractions)].append(row)
    return splits


def _moved(
    given: Iterable[Row], changed: Iterable[Row], plan: ServingPlan, fractions: SplitFractions
) -> dict[int, Split]:
    """The splits that the changed texts no longer tell."""
    splits = {row.task_id: split_of(row.input[plan.field], fractions) for row in given}
    now = ((row.task_id, split_of(row.input.get(plan.field, ""), fractions)) for row in changed)
    return {task_id: splits[task_id] for task_id, split in now if splits.get(task_id, split) is not split}


def _without_leaks(
    splits: Mapping[Split, Sequence[Row]], plan: ServingPlan, threshold: float
) -> tuple[list[Row], list[DroppedRow]]:
    train = splits[Split.TRAIN]
    held_out = [row for split in Split if split.is_held_out for row in splits[split]]
    name = plan.field
    leaks = find_leaks([row.input[name] for row in train], [row.input[name] for row in held_out], threshold)
    dropped = [
        DroppedRow(
            train[position].task_id,
            DropReason.DUPLICATE_OF_HELD_OUT if leak.is_exact else DropReason.NEAR_DUPLICATE_OF_HELD_OUT,
            held_out[leak.held_out].id,
        )
        for position, leak in leaks.items()
    ]
    return [row for position, row in enumerate(train) if position not in leaks], dropped


def _label_counts(splits: Mapping[Split, Sequence[Row]], plan: ServingPlan) -> LabelCounts:
    return {
        split.value: {served.name: _rows_per_label(splits[split], served) for served in plan.controls}
        for split in Split
    }


def _rows_per_label(rows: Iterable[Row], served: ServedControl) -> dict[str, int]:
    targets = (row.targets[served.name] for row in rows if served.name in row.targets)
    found = Counter(label for target in targets for label in set(served.kind.labels_in(target)))
    return {label: found[label] for label in served.control.label_values}
