import pytest

from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.quality import IssueKind
from ml_backend.quality.precision import measured_precision
from tests.unit.quality.audits import flag


def flags(
    outcome: FlagOutcome, count: int, kind: IssueKind = IssueKind.LABEL_ERROR, *, is_decoy: bool = False
) -> list[Flag]:
    return [flag(number, outcome, kind, is_decoy=is_decoy) for number in range(count)]


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
        *flags(FlagOutcome.CONFIRMED, 3, is_decoy=True),
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
    ("right", "wrong", "floor", "is_silenced"),
    [
        (0, 19, 0.2, False),
        (0, 20, 0.2, True),
        (1, 19, 0.2, False),
        (4, 46, 0.2, True),
        (6, 44, 0.2, False),
        (40, 60, 0.2, False),
        (0, 500, 0.0, False),
    ],
)
def test_a_kind_is_silenced_only_where_its_whole_interval_lies_below_the_floor(
    right: int, wrong: int, floor: float, is_silenced: bool
) -> None:
    found = [*flags(FlagOutcome.CHANGED, right), *flags(FlagOutcome.CONFIRMED, wrong)]

    assert [row.is_silenced for row in measured_precision(found, floor=floor)] == [is_silenced]


def test_decoys_are_never_silenced() -> None:
    table = measured_precision(flags(FlagOutcome.CONFIRMED, 100, is_decoy=True), floor=0.5)

    assert [row.is_silenced for row in table] == [False]
