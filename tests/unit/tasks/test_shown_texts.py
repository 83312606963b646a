"""What is read of a project's tasks."""

from collections.abc import Sequence

import pytest

from ml_backend.tasks.shown_texts import ReadFields
from tests.unit.tasks.plans import plan

CHOICES = '<Choices name="topic" toName="{}"><Choice value="a"/><Choice value="b"/></Choices>'
BODIES = ["Lost my card", "Where is my card?", "It was declined", "Top up failed", "Card arrived", "Who are you?"]


def read(
    values: Sequence[object], controls: str = CHOICES.format("text"), ignored: Sequence[str] = (), count: int = 6
) -> ReadFields:
    """What is read of tasks that hold these values beside a text."""
    found = plan(f'<Text name="beside" value="$beside"/>{controls}')
    tasks = [{"text": text, "beside": value} for text, value in zip(BODIES, values, strict=False)][:count]
    return ReadFields.of(found.config, [each.control for each in found.controls], tasks, ignored)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["Support"] * 5, "is the same in all of the first 5 tasks"),
        (["", None, " ", "", ""], "is empty in all of the first 5 tasks"),
        (["https://a.test/1", "http://a.test/2?q=x", "www.a.test", "HTTPS://A.test", ""], "holds URLs"),
        ([4711, 4712, 4713, 4714, 4715], "holds identifiers"),
        (["T-1", "T-2", "", "T-4", "T-5", "T-6"], "holds identifiers"),
        (["TX-1", "tx_2", "0f8fad5b-d9cb-469f", "#4", "a5"], "holds identifiers"),
    ],
)
def test_a_field_that_tells_nothing_is_left_out(values: list[object], reason: str) -> None:
    found = read(values)

    assert (found.names, found.left_out) == (("text",), {"beside": reason})
    assert found.sentences == (f"The field 'beside' is shown and not read: it {reason}.",)


@pytest.mark.parametrize(
    "values",
    [
        ["Card", "Card", "Card", "Card", "Top up"],
        ["1", "2", "1", "2", "1"],
        ["12.50", "3.99", "7,20", "8.00", "1.25"],
        ["Card 1", "Card 2", "Card 3", "Card 4", "Card 5"],
        ["see https://a.test", "https://a.test", "https://a.test/2", "https://a.test/3", "https://a.test/4"],
        ["refund", "loan", "mortgage", "cheque", "visa"],
    ],
)
def test_a_field_that_may_tell_something_is_read(values: list[object]) -> None:
    assert read(values) == ReadFields(("text", "beside"), {})


def test_of_few_tasks_nothing_is_concluded() -> None:
    assert read(["Support"] * 5, count=4).names == ("text", "beside")


def test_a_setting_leaves_fields_out() -> None:
    assert read(BODIES, ignored=["beside", "other"]).left_out == {"beside": "is ignored by LABELLOOP_IGNORED_FIELDS"}


def test_something_is_read_whatever_is_ignored() -> None:
    assert read(BODIES, CHOICES.format("beside"), ignored=["beside", "text"]).names == ("beside",)


def test_a_text_with_marks_is_read_whatever_it_holds() -> None:
    marks = '<Labels name="spans" toName="beside"><Label value="a"/></Labels>'

    assert read(["Support"] * 5, CHOICES.format("text") + marks).names == ("text", "beside")


def test_the_only_text_is_read_under_any_name() -> None:
    found = plan(CHOICES.format("text"))

    assert ReadFields.of(found.config, [each.control for each in found.controls], [{"text": "same"}] * 9) == ReadFields(
        (), {}
    )
