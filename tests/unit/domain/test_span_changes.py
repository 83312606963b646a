import pytest
from hypothesis import given, strategies

from ml_backend.domain.example import Span
from ml_backend.domain.span_changes import SpanChange, SpanFault, span_changes

ADA, YORK = Span(0, 3, "person"), Span(10, 14, "place")
SPANS = strategies.sets(
    strategies.builds(
        lambda start, length, label: Span(start, start + length, label),
        strategies.integers(0, 12),
        strategies.integers(1, 5),
        strategies.sampled_from(["a", "b"]),
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ([], [], []),
        ([ADA], [ADA], []),
        ([], [ADA], [SpanFault.MISSED]),
        ([ADA], [], [SpanFault.SPURIOUS]),
        ([ADA], [Span(0, 5, "person")], [SpanFault.WRONG_BOUNDARY]),
        ([ADA], [Span(0, 3, "place")], [SpanFault.WRONG_TYPE]),
        ([ADA], [Span(0, 5, "place")], [SpanFault.WRONG_TYPE]),
        ([ADA, YORK], [YORK, Span(16, 18, "place")], [SpanFault.SPURIOUS, SpanFault.MISSED]),
    ],
)
def test_every_change_says_what_was_wrong(before: list[Span], after: list[Span], faults: list[SpanFault]) -> None:
    assert [change.fault for change in span_changes(before, after)] == faults


def test_a_span_becomes_the_one_of_its_label_that_it_shares_the_most_with() -> None:
    whole, start, rest = Span(0, 10, "a"), Span(0, 6, "b"), Span(6, 10, "a")

    assert span_changes([whole], [start, rest]) == (
        SpanChange(SpanFault.MISSED, None, start),
        SpanChange(SpanFault.WRONG_BOUNDARY, whole, rest),
    )


@given(SPANS, SPANS)
def test_the_changes_turn_one_into_the_other(before: set[Span], after: set[Span]) -> None:
    changes = span_changes(before, after)

    gone = [change.given for change in changes if change.given]
    come = [change.suggested for change in changes if change.suggested]
    assert (before - set(gone)) | set(come) == after
    assert len(gone) == len(set(gone))
    assert len(come) == len(set(come))
