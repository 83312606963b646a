import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.model import Suspects
from ml_backend.learning.rows.suspects import Suspicion, treat_suspects
from tests.unit.learning.builders import make_row

ROWS = [
    make_row(1, "a", "card"),
    make_row(2, "b", "card", weight=2.0),
    make_row(3, "c", "cash"),
    make_row(4, "d", "card"),
]
TOPICS = [
    make_row(1, "a", ("card", "cash")),
    make_row(2, "b", ("card",)),
    make_row(3, "c", ()),
    make_row(4, "d", ("card", "refund")),
]
QUALITY = {"r1": 0.9, "r2": 0.3, "r3": 0.2, "r4": 0.0}


def suspicion_of(*suspects: str) -> Suspicion:
    return Suspicion(QUALITY, frozenset(suspects))


def test_suspects_are_left_out_and_counted() -> None:
    rows, notes = treat_suspects(ROWS, suspicion_of("r2", "r9"), Suspects.EXCLUDE, "intent")

    assert [row.id for row in rows] == ["r1", "r3", "r4"]
    assert notes == ("1 train rows were left out, since an audit suspects their labels to be wrong",)


def test_rows_are_weighted_by_quality_from_the_weight_that_they_had_and_never_not_at_all() -> None:
    rows, notes = treat_suspects(
        [*ROWS, make_row(5, "e", "card")], suspicion_of("r2", "r4"), Suspects.DOWNWEIGHT, "intent"
    )

    assert [row.weight for row in rows] == pytest.approx([0.9, 2.0 * 0.3, 0.2, Suspicion.LEAST_WEIGHT, 1.0])
    assert notes == ("train rows were weighted by their labels' quality: an audit suspects 2 of them to be wrong",)


def test_a_class_that_is_suspected_as_a_whole_keeps_its_rows() -> None:
    kept, _ = treat_suspects(ROWS, suspicion_of("r3"), Suspects.EXCLUDE, "intent")
    weighted, notes = treat_suspects(ROWS, suspicion_of("r3"), Suspects.DOWNWEIGHT, "intent")

    assert kept == ROWS
    assert weighted[2].weight == 1.0
    assert "suspects 0 of them" in notes[0]


def test_rows_with_a_label_that_is_suspected_wherever_it_stands_are_kept() -> None:
    rows, _ = treat_suspects(TOPICS, suspicion_of("r1", "r2", "r3"), Suspects.EXCLUDE, "intent")

    # `cash` stands in the first row alone; nothing chosen is a label of no row.
    assert [row.id for row in rows] == ["r1", "r4"]


def test_rows_with_spans_are_weighted_like_others() -> None:
    spans = [make_row(n, "abc", (Span(0, 1, "card"),), control="things") for n in (1, 2)]

    rows, _ = treat_suspects(spans, suspicion_of("r2"), Suspects.DOWNWEIGHT, "things")

    assert [row.weight for row in rows] == pytest.approx([0.9, 0.3])
