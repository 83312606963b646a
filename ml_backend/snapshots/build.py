"""Make reviewed tasks into the rows of a snapshot: settled, split, freed of duplicates and leaks, and counted."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..domain.annotation import Task
from ..domain.example import Row, SelectedBy, Target
from ..domain.readable import listed
from ..domain.reasons import Reason, ReasonCount, ReasonCounts
from ..domain.snapshot import Split, SplitFractions, SplitRule, normal_form
from ..tasks import ServedControl, ServingPlan
from .leakage import find_leaks
from .reviewed import BuildSettings, History, RowChange, count_disagreements, rows_of

__all__ = ["BuiltRows", "build_rows"]

THIN_TRAIN_ROWS = 5
FULL_VALIDATION_ROWS = 200
FULL_TEST_ROWS = 100
NAMED_LABELS = 10
FAR_OFF = 0.07
"""The difference between wanted and actual share of a split from which a snapshot warns."""
UNREAD = frozenset({Reason.UNREADABLE, Reason.CONTRADICTORY, Reason.DOUBTFUL_POSITIONS, Reason.EMPTY_ANSWER})

LabelCounts = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A reviewed task that gave no row.

    Attributes:
        of: id of the row that it repeats, None where it repeats none.
    """

    task_id: int
    reason: Reason
    of: str | None = None


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """Everything that goes into a snapshot. All rows are ordered by task id.

    Attributes:
        splits: rows per split; every split is there, if empty.
        unresolved: rows whose annotators agree on no control, with empty targets.
        moved: the split of each unresolved row, by task id, to which the hash of its text alone gives another one.
        label_counts: rows per split, control and label that they hold; labels without a row count 0.
        reasons: the tasks and single answers that are left out and why, including tasks that are not reviewed.
        warnings: what a reader should know before trusting the rows, in sentences.
    """

    splits: Mapping[Split, tuple[Row, ...]]
    unresolved: tuple[Row, ...] = ()
    moved: Mapping[int, Split] = field(default_factory=dict)
    dropped: tuple[DroppedRow, ...] = ()
    label_counts: LabelCounts = field(default_factory=dict)
    reasons: tuple[ReasonCount, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rows per split, and how many are unresolved and dropped."""
        counts = {split.value: len(self.splits.get(split, ())) for split in Split}
        return counts | {"unresolved": len(self.unresolved), "dropped": len(self.dropped)}

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Dropped rows per reason, for the reasons that occur."""
        counts = Counter(row.reason for row in self.dropped)
        return {reason.value: counts[reason] for reason in Reason if counts[reason]}


def build_rows(
    tasks: Iterable[Task],
    plan: ServingPlan,
    settings: BuildSettings,
    history: History,
    *,
    change: RowChange = lambda rows: rows,
    split_of: Callable[[str], Split] | None = None,
) -> BuiltRows:
    """Return the rows of all reviewed tasks, the same ones whatever order the tasks come in.

    Args:
        split_of: returns the split of a task's text, and is called once all tasks were read. None: by its hash alone.
        change: applied to every row, after its text has decided on its split and before leaks are looked for, which
            are leaks to those who read the changed text.
    """
    split_of = split_of or settings.split.split_of
    reasons = ReasonCounts()
    rows, dropped = _rows_of(tasks, plan, settings, history, reasons)
    voids = tuple(reasons)
    rows, unneeded = _without_needless_acceptances(rows, split_of)
    rows = _agreed(rows, plan)
    count_disagreements(rows, reasons)
    rows, duplicates = _without_duplicates(rows, plan)
    splits = _split(rows, split_of)
    splits = {split: list(change(splits[split])) for split in Split}
    disagreed = [row for row in rows if not row.targets]
    unresolved = tuple(change(disagreed))
    remaining = {row.task_id for group in (*splits.values(), unresolved) for row in group}
    by_hooks = [DroppedRow(row.task_id, Reason.LEFT_OUT_BY_HOOK) for row in rows if row.task_id not in remaining]
    train, leaks = _without_leaks(splits, settings.near_duplicate_threshold)
    splits[Split.TRAIN] = train
    label_counts = _label_counts(splits, plan)
    all_dropped = [*dropped, *unneeded, *by_hooks, *duplicates, *leaks]
    for drop in all_dropped:
        reasons.add(drop.reason, drop.task_id)
    return BuiltRows(
        splits={split: tuple(splits[split]) for split in Split},
        unresolved=unresolved,
        moved=_moved(disagreed, unresolved, split_of, settings.split),
        dropped=tuple(sorted(all_dropped, key=lambda drop: (drop.task_id, drop.reason))),
        label_counts=label_counts,
        reasons=tuple(reasons),
        warnings=_warnings(splits, label_counts, settings, voids),
    )


def _rows_of(
    tasks: Iterable[Task], plan: ServingPlan, settings: BuildSettings, history: History, reasons: ReasonCounts
) -> tuple[list[Row], list[DroppedRow]]:
    rows: dict[int, list[Row]] = {}
    dropped: list[DroppedRow] = []
    for task in tasks:
        result = rows_of(task, plan, settings, history, reasons)
        if isinstance(result, Reason) and result.is_unreviewed:
            reasons.add(result, task.id)
        elif isinstance(result, Reason):
            dropped.append(DroppedRow(task.id, result))
        elif task.id in rows:
            # A live export reads page by page while people label, hence may come across a task twice.
            dropped.append(DroppedRow(task.id, Reason.REPEATED_TASK, rows[task.id][0].id))
        else:
            rows[task.id] = result
    return [row for task_id in sorted(rows) for row in rows[task_id]], dropped


def _without_needless_acceptances(
    rows: Sequence[Row], split_of: Callable[[str], Split]
) -> tuple[list[Row], list[DroppedRow]]:
    """Keep an answer that was accepted without a person only in train, and where no person answered the same text."""
    by_people = {normal_form(row.text): row.id for row in rows if row.source != "accepted"}
    kept, dropped = [], []
    for row in rows:
        if row.source != "accepted":
            kept.append(row)
        elif (other := by_people.get(normal_form(row.text))) is not None:
            dropped.append(DroppedRow(row.task_id, Reason.ACCEPTED, other))
        elif split_of(row.text).is_held_out:
            dropped.append(DroppedRow(row.task_id, Reason.ACCEPTED))
        else:
            kept.append(row)
    return kept, dropped


def _agreed(rows: Sequence[Row], plan: ServingPlan) -> list[Row]:
    """Return the rows without the answers that differ between rows of the same text.

    Such a difference means that annotators disagree about the text, whichever task they saw it in. Any one of the
    answers in train would contradict what other people said, and in test the order of tasks would decide which answer
    counts as the truth. Rows that are already unresolved are ignored here. Responses in words may differ: all are good.
    """
    agreeing = {row.id: row for same in _by_text(rows) for row in _without_conflicts(same, plan)}
    return [agreeing.get(row.id, row) for row in rows]


def _without_duplicates(rows: Sequence[Row], plan: ServingPlan) -> tuple[list[Row], list[DroppedRow]]:
    """Keep one row per text: the one with the most answers, or the first of equals. Equal texts share a split.

    Where responses in words differ, the rows after the first keep these alone.
    """
    written = {served.name for served in plan.controls if not served.kind.has_labels}
    remaining = {row.id: row for row in rows}
    dropped = []
    for same in _by_text(rows):
        fullest: list[Row] = []
        for row in sorted(same, key=lambda row: -len(row.targets)):
            superset = next((each for each in fullest if row.targets.items() <= each.targets.items()), None)
            if superset is None:
                fullest.append(row)
                known = {item for each in fullest[:-1] for item in each.targets.items()}
                if written & row.targets.keys() and known & row.targets.items():
                    targets = {name: target for name, target in row.targets.items() if (name, target) not in known}
                    remaining[row.id] = replace(row, targets=targets)
            else:
                del remaining[row.id]
                dropped.append(DroppedRow(row.task_id, Reason.DUPLICATE, superset.id))
    return list(remaining.values()), dropped


def _by_text(rows: Iterable[Row]) -> Iterable[Sequence[Row]]:
    """Group the rows that have an answer by their text."""
    by_text: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.targets:
            by_text[normal_form(row.text)].append(row)
    return by_text.values()


def _without_conflicts(rows: Sequence[Row], plan: ServingPlan) -> list[Row]:
    """Return rows of one text without the answers that differ, and without answers to questions that depend on them."""
    answers: dict[str, set[Target]] = defaultdict(set)
    for row in rows:
        for served in plan.labeled:
            if served.name in row.targets:
                answers[served.name].add(row.targets[served.name])
    conflicts = plan.config.waiting_for(name for name, targets in answers.items() if len(targets) > 1)
    if not conflicts:
        return list(rows)
    return [
        replace(row, targets={name: target for name, target in row.targets.items() if name not in conflicts})
        for row in rows
    ]


def _split(rows: Iterable[Row], split_of: Callable[[str], Split]) -> dict[Split, list[Row]]:
    splits: dict[Split, list[Row]] = {split: [] for split in Split}
    for row in rows:
        if row.targets:
            splits[split_of(row.text)].append(row)
    return splits


def _moved(
    original: Iterable[Row], changed: Iterable[Row], split_of: Callable[[str], Split], fractions: SplitFractions
) -> dict[int, Split]:
    """Return by task id the splits that the hash of the text does not give, by a group or since a hook changed it."""
    splits = {row.task_id: split_of(row.text) for row in original}
    by_hash = {row.task_id: fractions.split_of(row.text) for row in changed}
    return {task_id: splits[task_id] for task_id, split in by_hash.items() if splits.get(task_id, split) is not split}


def _without_leaks(splits: Mapping[Split, Sequence[Row]], threshold: float) -> tuple[list[Row], list[DroppedRow]]:
    train = splits[Split.TRAIN]
    held_out = [row for split in Split if split.is_held_out for row in splits[split]]
    leaks = find_leaks([row.text for row in train], [row.text for row in held_out], threshold)
    dropped = [
        DroppedRow(
            train[position].task_id,
            Reason.DUPLICATE_OF_HELD_OUT if leak.is_exact else Reason.NEAR_DUPLICATE_OF_HELD_OUT,
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
    counts = Counter(label for target in targets for label in set(served.kind.labels_in(target)))
    return {label: counts[label] for label in served.control.label_values}


def _warnings(
    splits: Mapping[Split, Sequence[Row]],
    label_counts: LabelCounts,
    settings: BuildSettings,
    reasons: Sequence[ReasonCount],
) -> tuple[str, ...]:
    """Return sentences about void answers, uneven splits, thin classes and labels that nobody was seen making.

    Warnings never block. A held-out split that is switched off by a share of 0 is not missed.
    """
    used = [split for split in Split if settings.split.of(split) > 0]
    return (
        *_void_answers(reasons),
        *_few_held_out(splits, used, list(label_counts[Split.TRAIN.value])),
        *(_far_off(splits, settings.split) if settings.split_rule is SplitRule.GROUP else ()),
        *_thin_classes(label_counts, used),
        *_unseen(splits),
    )


def _void_answers(reasons: Sequence[ReasonCount]) -> Iterator[str]:
    """Yield a sentence or two per control about answers that do not count; the reasons have more details.

    The snapshot's id depends on these sentences, so the same rows must always give the same sentences.
    """
    for control in sorted({each.control for each in reasons if each.control}):
        about = [each for each in reasons if each.control == control]
        unknown = [each.details for each in about if each.reason is Reason.UNKNOWN_LABEL]
        if labels := [f"{label} ({count})" for details in unknown for label, count in details.items()]:
            yield (
                f"answers to {control!r} with labels that the label config no longer has are left out: "
                f"{listed(labels, NAMED_LABELS)}; put the labels back, or label these tasks again."
            )
        if unreadable := sum(each.count for each in about if each.reason in UNREAD):
            yield f"{unreadable} answers to {control!r} cannot be read and are left out."


def _few_held_out(
    splits: Mapping[Split, Sequence[Row]], used: Iterable[Split], controls: Sequence[str]
) -> Iterator[str]:
    consequences = {
        Split.VALIDATION: (FULL_VALIDATION_ROWS, "models are compared by cross-validation inside train."),
        Split.TEST: (FULL_TEST_ROWS, "the gate decides by point estimate and its decision is provisional."),
    }
    for split in used:
        enough, consequence = consequences.get(split, (0, ""))
        counts = {name: sum(name in row.targets for row in splits[split]) for name in controls}
        if set(counts.values()) == {len(splits[split])} and len(splits[split]) < enough:
            yield f"{split} holds {len(splits[split])} rows; under {enough}, {consequence}"
        elif thin := [f"{name!r} ({count})" for name, count in counts.items() if count < enough]:
            yield f"{split} holds few rows that answer {listed(thin, NAMED_LABELS)}; under {enough}, {consequence}"


def _far_off(splits: Mapping[Split, Sequence[Row]], fractions: SplitFractions) -> Iterator[str]:
    """Yield a sentence where groups of similar texts, each of which is in one split, cannot make up the shares."""
    total = sum(map(len, splits.values()))
    shares = {split: len(splits[split]) / total for split in Split if total}
    if any(
        abs(share - (wanted := fractions.of(split))) > max(FAR_OFF, 3 * math.sqrt(wanted * (1 - wanted) / total))
        for split, share in shares.items()
    ):
        yield (
            f"{', '.join(f'{share:.0%} {split}' for split, share in shares.items())}: that is far from the shares "
            f"{fractions}, since texts that resemble each other share a split and some groups of them are large."
        )


def _thin_classes(label_counts: LabelCounts, used: Iterable[Split]) -> Iterator[str]:
    for split in used:
        least = 1 if split.is_held_out else THIN_TRAIN_ROWS
        for control, counts in label_counts[split.value].items():
            thin = [f"{label} ({count})" for label, count in counts.items() if count < least]
            if thin:
                quantity = "no row" if split.is_held_out else f"fewer than {THIN_TRAIN_ROWS} rows"
                named = listed(thin, NAMED_LABELS)
                yield f"{len(thin)} of {len(counts)} labels of {control!r} have {quantity} in {split}: {named}."


def _unseen(splits: Mapping[Split, Sequence[Row]]) -> Iterator[str]:
    rows = [row for split_rows in splits.values() for row in split_rows]
    unseen = sum(row.provenance.selected_by is SelectedBy.UNKNOWN for row in rows)
    if unseen:
        yield (
            f"{unseen} of {len(rows)} rows ({unseen / len(rows):.0%}) hold labels that labelloop did not see being "
            "made, imported ones for instance; the gate uses them, auto-accept does not."
        )
