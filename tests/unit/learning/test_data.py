from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.domain.example import Row, Span, Target
from ml_backend.domain.label_config import Control
from ml_backend.errors import TrainingError
from ml_backend.learning.rows.data import TrainingData
from tests.unit.learning.builders import CONTROL, THINGS, TOPICS, data_of, keyword_rows, make_row, topic_rows


def topics_of(train: Sequence[Row], validation: Sequence[Row]) -> TrainingData:
    return data_of(train, validation, TOPICS)


def things_of(train: Sequence[Row], validation: Sequence[Row]) -> TrainingData:
    return data_of(train, validation, THINGS)


def test_rows_become_texts_with_the_classes_of_the_config_in_its_order() -> None:
    data = data_of([make_row(1, "late refund", "refund", 0.5), make_row(2, "cash", "cash")], [make_row(3, "x", "card")])

    assert (data.control, data.head) == ("intent", "softmax")
    assert data.labels == ("card", "cash", "refund")
    assert data.train.texts == ("late refund", "cash")
    assert data.train.targets == ("refund", "cash")
    assert data.train.weights.tolist() == [0.5, 1.0]
    assert (data.validation.texts, data.validation.targets) == (("x",), ("card",))


def test_labels_are_described_by_their_name_and_the_phrases_of_their_hint() -> None:
    data = data_of(keyword_rows(5), [])

    assert data.described.texts == ("card", "A card is lost", "or late", "cash", "my refund")
    assert data.described.targets == ("card", "card", "card", "cash", "refund")
    learned = data.learned(0.5)
    assert len(learned) == 15 + 5
    assert learned.weights.tolist() == [1.0] * 15 + [0.5] * 5
    assert len(data.learned(0)) == 15
    assert data_of(keyword_rows(21), []).described.texts == ("card", "cash", "my refund")


@pytest.mark.parametrize(
    ("refunds", "warning"),
    [
        ([], "no train row is labeled refund: the model knows such labels by name and hint only"),
        ([make_row(99, "refund", "refund")], "under 5 train rows each for refund (1): answers there are little tested"),
    ],
)
def test_a_class_with_few_rows_or_none_is_named_in_a_warning_and_never_blocks(refunds: list[Row], warning: str) -> None:
    data = data_of([*keyword_rows(5, classes=["card", "cash"]), *refunds], [])

    assert (data.labels, data.warnings) == (("card", "cash", "refund"), (warning,))


def test_rows_that_cannot_be_learned_from_are_left_out_with_the_reason() -> None:
    unusable = [
        make_row(90, " \n", "card"),
        make_row(91, "no answer", None),
        make_row(92, "old label", "gone"),
        make_row(93, "no weight", "card", 0.0),
        make_row(94, "\t", "cash"),
    ]

    data = data_of([*keyword_rows(5), *unusable], unusable)

    assert len(data.train) == 15
    assert len(data.validation) == 0
    (warning,) = data.warnings
    assert warning == (
        "5 train rows were left out: 2 tasks with an empty text (90, 94), 1 task without an answer that counts (91), "
        "1 task with a label that the label config lacks (92), 1 task of weight 0 (93)"
    )


def alike(target: Target, count: int, control: Control) -> list[Row]:
    return [make_row(number, "my card", target, control=control.name) for number in range(count)]


@pytest.mark.parametrize(
    ("control", "rows", "message"),
    [
        (CONTROL, [], r"none of the 0 train rows can be learned from \(there is none\)"),
        (CONTROL, [make_row(1, "", "card")], r"none of the 1 train rows can be learned from \(1 task with an empty"),
        (CONTROL, alike("cash", 4, CONTROL), r"all 4 train rows are labeled 'cash'; wanted .* at least 2 classes"),
        (TOPICS, alike(("card", "cash"), 4, TOPICS), r"'topics' .*: all 4 train rows have the same choices, card"),
        (TOPICS, alike((), 3, TOPICS), r"all 3 train rows have the same choices, none; wanted rows that differ"),
        (THINGS, alike((), 4, THINGS), r"'things' cannot be learned: none of the 4 train rows marks anything"),
    ],
    ids=["no row", "no text", "one class", "one set", "nothing chosen", "nothing marked"],
)
def test_rows_that_teach_nothing_are_refused_with_the_reason(control: Control, rows: list[Row], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        data_of(rows, [], control)


def test_positions_pick_texts_in_their_order() -> None:
    data = data_of(keyword_rows(2), []).train

    some = data.take([4, 0])

    assert some.texts == (data.texts[4], data.texts[0])
    assert some.targets == ("refund", "card")
    assert len(data.take(np.array([], dtype=np.int64))) == 0


def test_every_control_takes_its_own_answers_from_the_same_rows() -> None:
    rows = topic_rows(12)

    intents, topics, things = data_of(rows, rows), topics_of(rows, rows), things_of(rows, rows)

    assert [data.control for data in (intents, topics, things)] == ["intent", "topics", "things"]
    assert topics.train.texts == things.train.texts == tuple(row.input["body"] for row in rows)
    assert topics.train.targets == tuple(row.targets["topics"] for row in rows)
    assert things.validation.targets == tuple(row.targets["things"] for row in rows)
    unanswered = sum("intent" not in row.targets for row in rows)
    assert (len(intents.train), unanswered) == (12 - unanswered, 3)
    lacking = ", ".join(str(row.task_id) for row in rows if "intent" not in row.targets)
    assert intents.warnings[0] == f"3 train rows were left out: 3 tasks without an answer that counts ({lacking})"


def test_no_label_and_no_span_are_answers_that_are_learned_from() -> None:
    rows = [make_row(1, "my card", ("card",), control="topics"), make_row(2, "please", (), control="topics")]

    assert topics_of(rows, []).train.targets == (("card",), ())


def test_overlapping_spans_of_which_one_is_learned_are_told() -> None:
    whole, part, other = Span(3, 12, "card"), Span(3, 7, "cash"), Span(13, 17, "cash")
    rows = [
        make_row(number, "my card lost cash", spans, control="things")
        for number, spans in enumerate([(part, whole, other), (whole, other), (part, other), (part, whole)], start=1)
    ]

    assert things_of(rows, []).warnings[-1] == (
        "left out in part: 2 answers to 'things' with a mark that overlaps a longer one (tasks 1, 4)"
    )
    assert "overlaps" not in "".join(things_of(rows[1:3], []).warnings)


def test_descriptions_are_learned_by_single_choices_alone() -> None:
    rows = topic_rows(12)

    for data in (topics_of(rows, []), things_of(rows, [])):
        assert len(data.described) == 0
        assert len(data.learned(1.0)) == 12
    (warning,) = topics_of([row for row in rows if "refund" not in row.targets["topics"]], []).warnings[:1]
    assert warning == "no train row is labeled refund: it is never answered"


def test_a_row_with_any_label_that_the_config_lacks_is_left_out() -> None:
    rows = [
        *topic_rows(8),
        make_row(90, "my card", ("card", "gone"), control="topics"),
        make_row(91, "my card", (Span(3, 7, "gone"),), control="things"),
    ]

    for data, unanswered, unknown in ((topics_of(rows, []), 91, 90), (things_of(rows, []), 90, 91)):
        assert data.warnings[0] == (
            f"2 train rows were left out: 1 task without an answer that counts ({unanswered}), "
            f"1 task with a label that the label config lacks ({unknown})"
        )
