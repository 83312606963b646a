from typing import Any

import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.tasks import find_kinds
from ml_backend.tasks.base import GivenAnswer
from tests.unit.tasks.plans import choices_region, control

KIND = find_kinds()["classification"]
TOPIC = control('<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b" alias="bee"/></Choices>')


@pytest.mark.parametrize(
    "value", [None, 1, "a", ["a"], {}, {"choices": "a"}, {"choices": []}, {"choices": ["a", "bee"]}]
)
def test_anything_but_one_choice_is_no_answer(value: Any) -> None:
    assert KIND.read(TOPIC, [choices_region([], "topic") | {"value": value}], "a text").target is None  # type: ignore[operator]


@pytest.mark.parametrize(
    ("regions", "target", "reasons"),
    [
        ([["a"], ["a"]], "a", ()),
        ([["a", "a"]], "a", ()),
        ([["gone"]], "gone", ()),
        ([[["bee"]]], "bee", ()),
        ([["a"], [["a"]]], "a", ()),
        ([["a"], ["bee"]], None, (Reason.CONTRADICTORY,)),
        ([["a", "bee"]], None, (Reason.CONTRADICTORY,)),
        ([["a"], ["gone"]], None, (Reason.CONTRADICTORY,)),
        ([[["a"], ["bee"]]], None, (Reason.CONTRADICTORY,)),
        ([["a"], [1]], None, (Reason.UNREADABLE,)),
        ([[["a", "inner"]]], None, (Reason.UNREADABLE,)),
        ([[]], None, (Reason.UNREADABLE,)),
    ],
)
@pytest.mark.parametrize("choice", ["", 'choice="single"', 'choice="single-radio"'])
def test_a_choice_may_be_told_twice_and_as_a_path_but_not_be_two(
    choice: str, regions: list[Any], target: str | None, reasons: tuple[Reason, ...]
) -> None:
    asked = control(
        f'<Choices name="topic" toName="text" {choice} allowNested="true"><Choice value="a"/>'
        '<Choice value="b" alias="bee"/></Choices>'
    )

    found = KIND.read(asked, [choices_region(each, "topic") for each in regions], "a text")

    assert found == GivenAnswer(target, reasons)


def test_no_region_is_no_answer() -> None:
    assert KIND.read(TOPIC, [], "a text").target is None
    assert KIND.read(TOPIC, [choices_region(["a"], "others")], "a text").target is None


@pytest.mark.parametrize("target", ["gone", ("a",), (), (Span(0, 1, "a"),)])
def test_only_one_of_the_choices_is_written(target: Target) -> None:
    assert KIND.write(TOPIC, ScoredTarget(target, 0.9, {}), "a text") == []
