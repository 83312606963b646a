import json
import random
from pathlib import Path

import pytest

from ml_backend.domain.reasons import Reason, ReasonCount, ReasonCounts


def counts(*met: tuple[Reason, int, str, str]) -> ReasonCounts:
    found = ReasonCounts()
    for reason, task_id, control, detail in met:
        found.add(reason, task_id, control, detail)
    return found


def test_tasks_are_counted_and_the_first_ten_are_named_whatever_order_they_come_in() -> None:
    ids = random.Random(1).sample(range(1, 14), 13)

    (found,) = counts(*((Reason.EMPTY_TEXT, task_id, "", "") for task_id in ids))

    assert (found.count, found.tasks, found.task_ids) == (13, 13, tuple(range(1, 11)))
    assert str(found) == "13 tasks with an empty text (1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more)"


@pytest.mark.parametrize(
    ("task_ids", "told"),
    [
        ([71], "1 answer to 'label' that cannot be read (task 71)"),
        ([8, 8], "2 answers to 'label' that cannot be read (task 8)"),
        ([9, 8, 8], "3 answers to 'label' that cannot be read (tasks 8, 9)"),
    ],
)
def test_answers_are_counted_apart_from_the_tasks_that_they_are_of(task_ids: list[int], told: str) -> None:
    (found,) = counts(*((Reason.UNREADABLE, task_id, "label", "") for task_id in task_ids))

    assert str(found) == told


def test_details_have_counts_of_their_own_and_five_are_told() -> None:
    labels = ["c", "a", "a", "b", "d", "e", "f", "\x1b[31m" + "x" * 99]

    (found,) = counts(*((Reason.UNKNOWN_LABEL, 1, "topic", label) for label in labels))

    assert found.details["a"] == 2
    assert found.count == 8
    assert "lacks: '\\x1b[31m" in str(found)
    assert "\x1b" not in str(found)
    assert "'a' (2), 'b' (1), 'c' (1), 'd' (1) and 2 more (task 1)" in str(found)


def test_details_are_bounded_whatever_labels_there_are_and_in_whatever_order() -> None:
    labels = [f"{number:04}" for number in range(1500)] + ["9" * 99_999, "half \ud83d, nul \x00"]

    (found,) = counts(*((Reason.UNKNOWN_LABEL, 1, "topic", label) for label in labels))
    (again,) = counts(*((Reason.UNKNOWN_LABEL, 1, "topic", label) for label in reversed(labels)))
    (odd,) = counts((Reason.UNKNOWN_LABEL, 1, "topic", labels[-1]), (Reason.UNKNOWN_LABEL, 1, "topic", labels[-2]))

    assert (found.count, list(found.details)) == (1502, labels[:1000])
    assert found == again
    assert list(odd.details) == ["9" * 1000, "half \ufffd, nul \ufffd"]


def test_counts_come_in_the_order_of_the_reasons_and_of_the_controls() -> None:
    met = [(Reason.UNRESOLVED, 1, "", ""), (Reason.UNREADABLE, 1, "b", ""), (Reason.UNREADABLE, 2, "a", "")]

    found = [(each.reason, each.control) for each in counts(*met, (Reason.NOT_ANNOTATED, 9, "", ""))]

    assert found == [
        (Reason.NOT_ANNOTATED, ""),
        (Reason.UNREADABLE, "a"),
        (Reason.UNREADABLE, "b"),
        (Reason.UNRESOLVED, ""),
    ]


def test_counts_read_back_from_json_as_they_were() -> None:
    found = counts(
        (Reason.UNKNOWN_LABEL, 1, "topic", "gone"), (Reason.EMPTY_TEXT, 2, "", ""), (Reason.BLANK_SPAN, 3, "ner", "")
    )

    text = json.dumps(ReasonCount.list_to_json(found))

    assert ReasonCount.list_from_json(json.loads(text)) == tuple(found)


def test_every_reason_has_words_says_what_was_done_and_is_explained_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")

    assert [reason for reason in Reason if not reason.words or f"`{reason}`" not in page] == []
    assert {reason.opening for reason in Reason} == {"left out", "left out in part", "repaired"}


@pytest.mark.parametrize("value", [None, {}, [1], [{}], [{"reason": "nonesuch"}], [{"reason": "empty_text"}]])
def test_what_is_no_list_of_counts_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"reasons|nonesuch"):
        ReasonCount.list_from_json(value)
