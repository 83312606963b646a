"""What a reader should know before trusting a snapshot, in sentences. Warnings never block."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..domain.example import Row, SelectedBy
from ..domain.snapshot import Split, SplitFractions

__all__ = ["warnings_about"]

THIN_TRAIN_ROWS = 5
FULL_VALIDATION_ROWS = 200
FULL_TEST_ROWS = 100
NAMED_LABELS = 10


def warnings_about(
    splits: Mapping[Split, Sequence[Row]],
    label_counts: Mapping[str, Mapping[str, Mapping[str, int]]],
    fractions: SplitFractions,
) -> tuple[str, ...]:
    """Sentences about thin classes, few held-out rows and labels that nobody was seen making.

    A held-out split that is switched off by a share of 0 is not missed.
    """
    shares = {
        Split.TRAIN: fractions.train,
        Split.VALIDATION: fractions.validation,
        Split.TEST: fractions.test,
    }
    wanted = [split for split in Split if shares[split] > 0]
    return (
        *_few_held_out(splits, wanted),
        *_thin_classes(label_counts, wanted),
        *_unseen(splits),
    )


def _few_held_out(splits: Mapping[Split, Sequence[Row]], wanted: Iterable[Split]) -> Iterator[str]:
    validation, test = len(splits[Split.VALIDATION]), len(splits[Split.TEST])
    if Split.VALIDATION in wanted and validation < FULL_VALIDATION_ROWS:
        yield (
            f"validation holds {validation} rows; under {FULL_VALIDATION_ROWS}, models are compared by "
            "cross-validation inside train."
        )
    if Split.TEST in wanted and test < FULL_TEST_ROWS:
        yield (
            f"test holds {test} rows; under {FULL_TEST_ROWS}, the gate decides by point estimate and its decision "
            "is provisional."
        )


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
