import numpy as np
import pytest

from ml_backend.errors import TrainingError
from ml_backend.training.data import training_data
from tests.unit.training.builders import CONTROL, keyword_rows, make_row


def test_rows_become_texts_with_the_classes_of_the_config_in_its_order() -> None:
    data = training_data(
        [make_row(1, "late refund", "refund", 0.5), make_row(2, "cash", "cash")], [make_row(3, "x", "card")], CONTROL
    )

    assert data.labels == ("card", "cash", "refund")
    assert data.train.texts == ("late refund", "cash")
    assert data.train.targets == ("refund", "cash")
    assert data.train.indices.tolist() == [2, 1]
    assert data.train.weights.tolist() == [0.5, 1.0]
    assert (data.validation.texts, data.validation.indices.tolist()) == (("x",), [0])


def test_labels_are_described_by_their_name_and_the_phrases_of_their_hint() -> None:
    data = training_data(keyword_rows(5), [], CONTROL)

    assert data.described.texts == ("card", "A card is lost", "or late", "cash", "my refund")
    assert data.described.targets == ("card", "card", "card", "cash", "refund")
    learned = data.learned(0.5)
    assert len(learned) == 15 + 5
    assert learned.weights.tolist() == [1.0] * 15 + [0.5] * 5
    assert len(data.learned(0)) == 15


def test_a_class_without_rows_is_named_in_a_warning_and_never_blocks() -> None:
    data = training_data(keyword_rows(5, classes=["card", "cash"]), [], CONTROL)

    assert data.labels == ("card", "cash", "refund")
    assert data.warnings == ("no train row is labeled refund: the model knows such labels by name and hint only",)


def test_a_class_with_a_single_row_is_named_in_a_warning() -> None:
    rows = [*keyword_rows(5, classes=["card", "cash"]), make_row(99, "refund", "refund")]

    assert training_data(rows, [], CONTROL).warnings == (
        "under 5 train rows each for refund (1): answers there are little tested",
    )


def test_rows_that_cannot_be_learned_from_are_left_out_with_the_reason() -> None:
    unusable = [
        make_row(90, " \n", "card"),
        make_row(91, "no answer", None),
        make_row(92, "old label", "gone"),
        make_row(93, "no weight", "card", 0.0),
        make_row(94, "\t", "cash"),
    ]

    data = training_data([*keyword_rows(5), *unusable], unusable, CONTROL)

    assert len(data.train) == 15
    assert len(data.validation) == 0
    (warning,) = data.warnings
    reasons = "2 without a text, 1 without an answer to 'intent', 1 with an answer that the label config lacks"
    assert warning == f"5 train rows were left out: {reasons}, 1 of weight 0"


def test_a_single_class_is_refused_with_what_to_do() -> None:
    with pytest.raises(TrainingError, match=r"all 4 train rows are labeled 'cash'; wanted .* at least 2 classes"):
        training_data(keyword_rows(4, classes=["cash"]), keyword_rows(1), CONTROL)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"none of the 0 train rows can be learned from \(there is none\)"),
        ([make_row(1, "", "card")], r"none of the 1 train rows can be learned from \(1 without a text\)"),
    ],
)
def test_no_usable_row_is_refused_with_the_reason(rows: list, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        training_data(rows, [], CONTROL)


def test_positions_pick_texts_in_their_order() -> None:
    data = training_data(keyword_rows(2), [], CONTROL).train

    some = data.take([4, 0])

    assert some.texts == (data.texts[4], data.texts[0])
    assert some.indices.tolist() == [2, 0]
    assert len(data.take(np.array([], dtype=np.int64))) == 0
