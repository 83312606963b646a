"""What a reader should know before trusting a snapshot, in sentences. Warnings never block."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..domain.example import Row, SelectedBy
from ..domain.reasons import Reason, ReasonCount
from ..domain.snapshot import Split, SplitFractions

__all__ = ["warnings_about"]

THIN_TRAIN_ROWS = 5
FULL_VALIDATION_ROWS = 200
FULL_TEST_ROWS = 100
NAMED_LABELS = 10
UNREAD = frozenset({Reason.UNREADABLE, Reason.CONTRADICTORY, Reason.DOUBTFUL_POSITIONS, Reason.EMPTY_ANSWER})


def warnings_about(
    splits: Mapping[Split, Sequence[Row]],
    label_counts: Mapping[str, Mapping[str, Mapping[str, int]]],
    fractions: SplitFractions,
    reasons: Sequence[ReasonCount],
) -> tuple[str, ...]:
    """Sentences about void answers, thin classes, few held-out rows and labels that nobody was seen making.

    A held-out split that is switched off by a share of 0 is not missed.
    """
    shares = {
        Split.TRAIN: fractions.train,
        Split.VALIDATION: fractions.validation,
        Split.TEST: fractions.test,
    }
    wanted = [split for split in Split if shares[split] > 0]
    return (
        *_void_answers(reasons),
        *_few_held_out(splits, wanted, list(label_counts[Split.TRAIN.value])),
        *_thin_classes(label_counts, wanted),
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
                f"{_listed(labels)}; put the labels back, or label these tasks again."
            )
        if unreadable := sum(each.count for each in about if each.reason in UNREAD):
            yield f"{unreadable} answers to {control!r} cannot be read and are left out."


def _few_held_out(
    splits: Mapping[Split, Sequence[Row]], wanted: Iterable[Split], controls: Sequence[str]
) -> Iterator[str]:
    consequences = {
        Split.VALIDATION: (FULL_VALIDATION_ROWS, "models are compared by cross-validation inside train."),
        Split.TEST: (FULL_TEST_ROWS, "the gate decides by point estimate and its decision is provisional."),
    }
    for split in wanted:
        enough, consequence = consequences.get(split, (0, ""))
        counts = {name: sum(name in row.targets for row in splits[split]) for name in controls}
        if set(counts.values()) == {len(splits[split])} and len(splits[split]) < enough:
            yield f"{split} holds {len(splits[split])} rows; under {enough}, {consequence}"
        elif thin := [f"{name!r} ({count})" for name, count in counts.items() if count < enough]:
            yield f"{split} holds few rows that answer {_listed(thin)}; under {enough}, {consequence}"


def _thin_classes(
    label_counts: Mapping[str, Mapping[str, Mapping[str, int]]], wanted: Iterable[Split]
) -> Iterator[str]:
    for split in wanted:
        least = 1 if split.is_held_out else THIN_TRAIN_ROWS
        for control, counts in label_counts[split.value].items():
            thin = [f"{label} ({count})" for label, count in counts.items() if count < least]
            if thin:
                found = "no row" if split.is_held_out else f"fewer than {THIN_TRAIN_ROWS} rows"
                yield f"{len(thin)} of {len(counts)} labels of {control!r} have {found} in {split}: {_listed(thin)}."


def _unseen(splits: Mapping[Split, Sequence[Row]]) -> Iterator[str]:
    rows = [row for split_rows in splits.values() for row in split_rows]
    unseen = sum(row.provenance.selected_by is SelectedBy.UNKNOWN for row in rows)
    if unseen:
        yield (
            f"{unseen} of {len(rows)} rows ({unseen / len(rows):.0%}) hold labels that labelloop did not see being "
            "made, imported ones for instance; the gate uses them, auto-accept does not."
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED_LABELS
    return ", ".join(names[:NAMED_LABELS]) + (f" and {more} more" if more > 0 else "")
