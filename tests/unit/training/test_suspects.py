import pytest

from ml_backend.domain.model import Suspects
from ml_backend.training.suspects import SUSPECT_WEIGHT, treated
from tests.unit.training.builders import make_row

ROWS = [make_row(1, "a", "card"), make_row(2, "b", "card", weight=2.0), make_row(3, "c", "cash")]


def test_suspects_that_are_kept_change_nothing() -> None:
    assert treated(ROWS, ["r1"], Suspects.KEEP, "intent") == (ROWS, ())


def test_suspects_are_left_out_and_counted() -> None:
    rows, notes = treated(ROWS, ["r2", "r9"], Suspects.EXCLUDE, "intent")

    assert [row.id for row in rows] == ["r1", "r3"]
    assert notes == ("1 train rows were left out, since an audit suspects their labels to be wrong",)


def test_suspects_are_weighted_down_from_the_weight_that_they_had() -> None:
    rows, notes = treated(ROWS, ["r2"], Suspects.DOWNWEIGHT, "intent")

    assert [row.weight for row in rows] == [1.0, 2.0 * SUSPECT_WEIGHT, 1.0]
    assert notes == (
        f"1 train rows were given {SUSPECT_WEIGHT:g} of their weight, since an audit suspects their labels to be wrong",
    )


@pytest.mark.parametrize("handling", [Suspects.EXCLUDE, Suspects.DOWNWEIGHT])
def test_a_class_that_is_suspected_as_a_whole_keeps_its_rows(handling: Suspects) -> None:
    rows, notes = treated(ROWS, ["r3"], handling, "intent")

    assert rows == ROWS
    assert notes[0].startswith("an audit suspects the label of no train row that can be spared")


def test_no_suspect_is_said_too() -> None:
    rows, notes = treated(ROWS, [], Suspects.EXCLUDE, "intent")

    assert rows == ROWS
    assert notes == ("an audit suspects the label of no train row that can be spared, so none was left out",)
