from datetime import UTC, datetime

import pytest

from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.quality import IssueKind
from ml_backend.quality.precision import measured_precision

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def flags(
    outcome: FlagOutcome, count: int, kind: IssueKind = IssueKind.LABEL_ERROR, *, decoy: bool = False
) -> list[Flag]:
    return [
        Flag(7, number, kind, "Billing", "Returns", 0.1, decoy, decoy, "00ff", "frozen base", "", MOMENT, outcome)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("right", "decided", "low", "high"),
    # Values of R's binom.test.
    [
        (0, 20, 0.0, 0.1684335),
        (4, 20, 0.0573340, 0.4366140),
        (20, 20, 0.8315665, 1.0),
        (50, 100, 0.3983211, 0.6016789),
    ],
)
def test_the_interval_is_that_of_clopper_and_pearson(right: int, decided: int, low: float, high: float) -> None:
    decisions = [*flags(FlagOutcome.CHANGED, right), *flags(FlagOutcome.CONFIRMED, decided - right)]
    (row,) = measured_precision(decisions, floor=0.2)
    assert (row.low, row.high) == pytest.approx((low, high), abs=1e-6)


def test_both_ways_of_changing_a_label_count_as_right() -> None:
    found = [
        *flags(FlagOutcome.CHANGED_TO_SUGGESTION, 5),
        *flags(FlagOutcome.CHANGED, 2),
        *flags(FlagOutcome.CONFIRMED, 3),
        *flags(FlagOutcome.OPEN, 4),
        *flags(FlagOutcome.WITHDRAWN, 6),
    ]

    (row,) = measured_precision(found, floor=0.2)

    assert (row.kind, row.decided, row.value, row.is_silenced) == (IssueKind.LABEL_ERROR, 10, 0.7, False)
    assert (row.changed_to_suggestion, row.changed, row.confirmed, row.open, row.withdrawn) == (5, 2, 3, 4, 6)


def test_kinds_come_in_their_order_and_decoys_apart_at_the_end() -> None:
    found = [
        *flags(FlagOutcome.CONFIRMED, 3, decoy=True),
        *flags(FlagOutcome.CHANGED, 1, IssueKind.CONFLICTING_LABELS),
        *flags(FlagOutcome.OPEN, 1),
    ]

    table = measured_precision(found, floor=0.2)

    assert [(row.kind, row.decided, row.value) for row in table] == [
        (IssueKind.LABEL_ERROR, 0, None),
        (IssueKind.CONFLICTING_LABELS, 1, 1.0),
        (None, 3, 0.0),
    ]
    assert (table[0].low, table[0].high) == (0.0, 1.0)


def test_no_flag_gives_no_row() -> None:
    assert measured_precision([], floor=0.2) == []


@pytest.mark.parametrize(
    ("right", "wrong", "is_silenced"),
    [(0, 19, False), (0, 20, True), (1, 19, False), (4, 46, True), (6, 44, False), (40, 60, False)],
)
def test_a_kind_is_silenced_only_where_its_whole_interval_lies_below_the_floor(
    right: int, wrong: int, is_silenced: bool
) -> None:
    found = [*flags(FlagOutcome.CHANGED, right), *flags(FlagOutcome.CONFIRMED, wrong)]

    table = measured_precision(found, floor=0.2)

    assert [row.is_silenced for row in table] == [is_silenced]


def test_a_floor_of_zero_silences_nothing() -> None:
    assert [row.is_silenced for row in measured_precision(flags(FlagOutcome.CONFIRMED, 500), floor=0.0)] == [False]


def test_decoys_are_never_silenced() -> None:
    table = measured_precision(flags(FlagOutcome.CONFIRMED, 100, decoy=True), floor=0.5)

    assert [row.is_silenced for row in table] == [False]
