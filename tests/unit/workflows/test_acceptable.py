"""Which answers can be accepted, and what they say."""

from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.example import Span
from ml_backend.workflows.accepting.certify import given_targets, is_acceptable
from tests.studio import choice
from tests.unit.tasks.plans import plan

TEXT = "Anna likes it"
PLAN = plan(
    '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Choices>'
    '<Choices name="fruit" toName="text" visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Fruit">'
    '<Choice value="apple"/><Choice value="pear"/></Choices>'
    '<Labels name="spans" toName="text"><Label value="PER"/></Labels>'
)
ANNA = {"from_name": "spans", "to_name": "text", "type": "labels", "value": {"start": 0, "end": 4, "labels": ["PER"]}}
CAR, FRUIT, APPLE = choice("Car", control="theme"), choice("Fruit", control="theme"), choice("apple", control="fruit")


@pytest.mark.parametrize(
    ("result", "targets"),
    [
        ([*CAR, ANNA], {"theme": "Car", "spans": (Span(0, 4, "PER"),)}),
        (CAR, {"theme": "Car", "spans": ()}),
        ([*FRUIT, *APPLE], {"theme": "Fruit", "fruit": "apple", "spans": ()}),
        ([*CAR, *APPLE], {"theme": "Car", "spans": ()}),  # a hidden question is not answered
    ],
)
def test_an_answer_to_every_question_that_is_asked_can_be_accepted(
    result: list[dict[str, Any]], targets: dict[str, Any]
) -> None:
    assert given_targets(PLAN, TEXT, result) == targets
    assert is_acceptable(PLAN, TEXT, Prediction(tuple(result), 0.9, "v"))


@pytest.mark.parametrize(
    ("result", "score"),
    [(FRUIT, 0.9), ([ANNA], 0.9), ([], 0.9), (CAR, None)],
    ids=["a question that is asked", "the first question", "all", "no confidence"],
)
def test_what_leaves_a_question_open_is_left_to_people(result: list[dict[str, Any]], score: float | None) -> None:
    assert not is_acceptable(PLAN, TEXT, Prediction(tuple(result), score, "v"))
