"""Rows out of reviewed tasks: settled, split, freed of duplicates and leaks, and counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..domain.annotation import Task
from ..domain.event import AnnotationEvent
from ..domain.example import Row, Target
from ..domain.snapshot import Split, SplitFractions, normalised, split_of
from ..tasks import ServingPlan
from .leakage import DEFAULT_THRESHOLD, check_threshold, find_leaks
from .review import ReviewRule
from .settle import settled_row, usable_answers
from .warn import warnings_about

__all__ = ["BuildSettings", "BuiltRows", "DropReason", "DroppedRow", "History", "build_rows", "reviewed_rows"]

History = Callable[[int], AnnotationEvent | None]
"""The stored event of an annotation id, None where labelloop did not see the annotation being made."""

LabelCounts = Mapping[str, Mapping[str, Mapping[str, int]]]


class DropReason(StrEnum):
    """Why a reviewed task gives no row."""

    EMPTY_TEXT = "empty_text"
    NO_ANSWER = "no_answer"
    UNKNOWN_LABEL = "unknown_label"
    REPEATED_TASK = "repeated_task"
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
        near_duplicate_threshold: likeness from which a train row repeats a held-out one; see `leakage`.

    Raises:
        ConfigurationError: the threshold is not above 0 and at most 1.
    """

    split: SplitFractions = field(default_factory=SplitFractions)
    review_rule: ReviewRule = field(default_factory=ReviewRule)
    trust_ground_truth: bool = False
    near_duplicate_threshold: float = DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        check_threshold(self.near_duplicate_threshold)


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """Everything that goes into a snapshot. All rows are ordered by task id.

    Attributes:
        splits: rows per split; every split is there, if empty.
        unresolved: rows whose annotators disagree, with empty targets.
        label_counts: rows per split, control and label; labels without a row count 0.
        not_reviewed: tasks that the review rule left out. They are no part of the snapshot.
        warnings: what a reader should know before trusting the rows, in sentences.
    """

    splits: Mapping[Split, tuple[Row, ...]]
    unresolved: tuple[Row, ...] = ()
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


def build_rows(tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History) -> BuiltRows:
    """Rows of all reviewed tasks, the same ones whatever order the tasks come in."""
    rows, dropped, not_reviewed = _rows_of(tasks, plan, settings, history)
    rows, duplicates = _without_duplicates(rows, plan)
    splits = _split(rows, plan, settings.split)
    train, leaks = _without_leaks(splits, plan, settings.near_duplicate_threshold)
    splits[Split.TRAIN] = train
    label_counts = _label_counts(splits, plan)
    return BuiltRows(
        splits={split: tuple(splits[split]) for split in Split},
        unresolved=tuple(row for row in rows if not row.targets),
        dropped=tuple(sorted([*dropped, *duplicates, *leaks], key=lambda drop: (drop.task_id, drop.reason))),
        label_counts=label_counts,
        not_reviewed=not_reviewed,
        warnings=warnings_about(splits, label_counts, settings.split),
    )


def reviewed_rows(tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History) -> Iterator[Row]:
    """The row of every reviewed task that the annotators agree on, as a stream: in no split, duplicates included."""
    for task in tasks:
        result = _row_of(task, plan, settings, history)
        if isinstance(result, Row) and result.targets:
            yield result


def _rows_of(
    tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History
) -> tuple[list[Row], list[DroppedRow], int]:
    rows: dict[int, Row] = {}
    dropped: list[DroppedRow] = []
    not_reviewed = 0
    for task in tasks:
        result = _row_of(task, plan, settings, history)
        if result is None:
            not_reviewed += 1
        elif isinstance(result, DropReason):
            dropped.append(DroppedRow(task.id, result))
        elif task.id in rows:
            # A live export reads page by page while people label, hence may come across a task twice.
            dropped.append(DroppedRow(task.id, DropReason.REPEATED_TASK, rows[task.id].id))
        else:
            rows[task.id] = result
    return [rows[task_id] for task_id in sorted(rows)], dropped, not_reviewed


def _row_of(task: Task, plan: ServingPlan, settings: BuildSettings, history: History) -> Row | DropReason | None:
    served = plan.served
    reviewed = settings.review_rule.reviewed(task, lambda a: served.kind.read(served.control, a.result))
    if not reviewed:
        return None
    if not normalised(served.text(task.data)):
        return DropReason.EMPTY_TEXT
    answers = usable_answers(reviewed, served, history)
    if not answers:
        had_answer = any(served.kind.read(served.control, annotation.result) is not None for annotation in reviewed)
        return DropReason.UNKNOWN_LABEL if had_answer else DropReason.NO_ANSWER
    return settled_row(task, served, answers, trust_ground_truth=settings.trust_ground_truth)


def _without_duplicates(rows: Sequence[Row], plan: ServingPlan) -> tuple[list[Row], list[DroppedRow]]:
    """One row per text, the first, where all rows of the text agree.

    Equal texts share a split, so this never moves a row. Where the answers differ, annotators disagree about the
    text, whichever task they saw it in: all its rows become unresolved, because any one of them in train would
    contradict what other people said, and one in test would make that test's truth a matter of the order of tasks.
    Rows that are unresolved already take no side.
    """
    by_text: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.targets:
            by_text[normalised(row.input[plan.served.field])].append(row)
    kept = {row.id: row for row in rows}
    dropped = []
    for first, *others in by_text.values():
        if all(other.targets == first.targets for other in others):
            for other in others:
                del kept[other.id]
                dropped.append(DroppedRow(other.task_id, DropReason.DUPLICATE, first.id))
        else:
            kept.update({row.id: replace(row, targets={}) for row in (first, *others)})
    return list(kept.values()), dropped


def _split(rows: Iterable[Row], plan: ServingPlan, fractions: SplitFractions) -> dict[Split, list[Row]]:
    splits: dict[Split, list[Row]] = {split: [] for split in Split}
    for row in rows:
        if row.targets:
            splits[split_of(row.input[plan.served.field], fractions)].append(row)
    return splits


def _without_leaks(
    splits: Mapping[Split, Sequence[Row]], plan: ServingPlan, threshold: float
) -> tuple[list[Row], list[DroppedRow]]:
    train = splits[Split.TRAIN]
    held_out = [row for split in Split if split.is_held_out for row in splits[split]]
    name = plan.served.field
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
    control, kind = plan.served.control, plan.served.kind
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for split in Split:
        targets: list[Target] = [row.targets[control.name] for row in splits[split]]
        found = Counter(label for target in targets for label in kind.labels_in(target))
        counts[split.value] = {control.name: {label: found[label] for label in control.label_values}}
    return counts
