from typing import Any

import pytest

from ml_backend.domain.model import ScoredTarget
from ml_backend.tasks import find_kinds
from tests.unit.tasks.plans import choices_region, control

KIND = find_kinds()["multiple_choice"]
XML = (
    '<Choices name="tags" toName="text" choice="multiple">'
    '<Choice value="Price"/><Choice value="Looks"/><Choice value="Delivery" alias="late"/></Choices>'
)
TAGS = control(XML)
REQUIRED = control(XML.replace("<Choices ", '<Choices required="true" '))


@pytest.mark.parametrize(
    ("choices", "answer"),
    [
        (["late", "Price", "Gone"], ("Gone", "Price", "late")),
        ([["late"], ["Price"]], ("Price", "late")),
        ([["Price"], "late", ["late"]], ("Price", "late")),
    ],
)
def test_choices_are_read_in_order_of_their_names_also_as_paths_and_unknown_ones_are_kept(
    choices: list[Any], answer: tuple[str, ...]
) -> None:
    assert KIND.read(TAGS, [choices_region(choices)], "a text").target == answer


@pytest.mark.parametrize("result", [[], [choices_region([])], [choices_region(["Price"], name="others")]])
def test_nothing_ticked_is_an_answer_unless_something_must_be(result: list[Any]) -> None:
    assert KIND.read(TAGS, result, "a text").target == ()
    assert KIND.read(REQUIRED, [], "a text").target is None
    assert KIND.read(REQUIRED, [choices_region(["Price"])], "a text").target == ("Price",)


def test_nothing_ticked_is_no_answer_where_it_waits_for_a_piece_of_the_text_to_be_selected() -> None:
    inside = XML.replace("<Choices ", '<Choices visibleWhen="region-selected" whenTagName="spans" ')
    for xml in (inside, f'<View visibleWhen="region-selected"><View>{XML}</View></View>'):
        assert KIND.read(control(xml), [], "a text").target is None


@pytest.mark.parametrize(
    "region",
    [
        choices_region("Price"),
        choices_region([["Price", "Inner"]]),
        choices_region([1]),
        choices_region(None),
        {**choices_region(["Price"]), "type": "labels"},
        {"from_name": "tags", "type": "choices"},
        {"from_name": "tags", "type": "choices", "value": None},
        {"from_name": "tags", "type": "choices", "value": ["Price"]},
    ],
)
def test_what_is_malformed_is_no_answer(region: Any) -> None:
    assert KIND.read(TAGS, [region], "a text").target is None


def test_one_region_holds_all_known_choices_in_the_order_of_the_config_and_the_score_of_every_label() -> None:
    scores = {"Looks": 0.04, "Price": 0.90129, "late": 0.8, "Gone": 0.7}

    regions = KIND.write(TAGS, ScoredTarget(("Gone", "Price", "late"), 0.66, scores), "a text")

    assert regions == [
        {
            "from_name": "tags",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["Price", "late"]},
            "score": 0.66,
            "meta": {"scores": {"Price": 0.9013, "Looks": 0.04, "late": 0.8}},
        }
    ]
