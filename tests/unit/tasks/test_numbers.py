"""Ratings and numbers."""

import json
from typing import Any

import pytest

from ml_backend.domain.annotation import Region
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.tasks import find_kinds
from ml_backend.tasks.base import GivenAnswer
from tests.unit.tasks.plans import control, plan

RATING, NUMBER = find_kinds()["rating"], find_kinds()["number"]
STARS = control('<Rating name="stars" toName="text"/>')
MINUTES = '<Number name="minutes" toName="text" {}/>'


def region(kind: str, value: Any, name: str) -> Region:
    return {"from_name": name, "to_name": "text", "type": kind, "value": {kind: value}}


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ([4], GivenAnswer(4)),
        ([3.0, 3], GivenAnswer(3)),
        ([0], GivenAnswer()),
        ([], GivenAnswer()),
        (["4"], GivenAnswer(reasons=(Reason.UNREADABLE,))),
        ([True], GivenAnswer(reasons=(Reason.UNREADABLE,))),
        ([2.5], GivenAnswer(reasons=(Reason.UNREADABLE,))),
        ([-1], GivenAnswer(reasons=(Reason.UNREADABLE,))),
        ([4, "4"], GivenAnswer(reasons=(Reason.UNREADABLE,))),
        ([2, 4], GivenAnswer(reasons=(Reason.CONTRADICTORY,))),
        ([9], GivenAnswer(9)),
    ],
)
def test_a_rating_is_a_whole_number_of_stars(values: list[Any], answer: GivenAnswer) -> None:
    assert RATING.read(STARS, [region("rating", value, "stars") for value in values], "a text") == answer


@pytest.mark.parametrize(("target", "stars"), [(4, [4]), (4.0, [4]), ("4", [4]), (0, []), (6, []), (2.5, []), ((), [])])
def test_stars_are_written_as_json_numbers_within_the_scale(target: Any, stars: list[int]) -> None:
    regions = RATING.write(STARS, ScoredTarget(target, 0.5, {}), "a text")

    assert json.dumps([each["value"] for each in regions]) == json.dumps([{"rating": each} for each in stars])


@pytest.mark.parametrize(
    ("limits", "number", "written"),
    [
        ("", 7.5, 7.5),
        ("", -3, -3),
        ('min="0" max="10"', 12.0, 10),
        ('min="0" max="10"', -1, 0),
        ('min="0.5" max="9" step="2"', 9, 8.5),
        ('step="0.1"', 0.30000000000000004, 0.3),
        ('step="5"', 12, 10),
    ],
)
def test_a_number_is_written_as_the_config_allows_it(limits: str, number: float, written: float) -> None:
    asked = control(MINUTES.format(limits))

    (found,) = NUMBER.write(asked, ScoredTarget(number, 0.5, {1.5: 0.05, 9.0: 0.95}), "a text")

    assert json.dumps(found["value"]) == json.dumps({"number": written})
    assert found["meta"] == {"interval": [1.5, 9.0]}
    assert NUMBER.read(asked, [found], "a text").target == written


@pytest.mark.parametrize("value", ["7.5", None, True, float("nan"), float("inf"), [7]])
def test_what_is_no_json_number_is_no_answer(value: Any) -> None:
    asked = control(MINUTES.format(""))

    assert NUMBER.read(asked, [region("number", value, "minutes")], "").reasons == (Reason.UNREADABLE,)
    assert NUMBER.write(asked, ScoredTarget("7.5", 0.5, {}), "") == []


@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        ('<Rating name="stars" toName="text" maxRating="many"/>', 'maxRating="many", and wanted is a whole number'),
        ('<Rating name="stars" toName="text" maxRating="1"/>', "from 2 to 100"),
        ('<Rating name="stars" toName="text" maxRating="999999999999"/>', "from 2 to 100"),
        (MINUTES.format('defaultValue="5"'), "has a defaultValue"),
        (MINUTES.format('min="low"'), 'min="low", and wanted is a number'),
        (MINUTES.format('min="5" max="1"'), "from 5 to 1"),
        ('<Rating name="stars" toName="text" perRegion="true"/>', "asked per region"),
    ],
)
def test_a_scale_that_cannot_be_served_is_named_with_the_reason(controls: str, reason: str) -> None:
    with pytest.raises(UnsupportedLabelConfig, match=reason):
        plan(controls)


def test_stars_beside_a_response_rate_the_response_and_are_not_learned() -> None:
    found = plan('<Rating name="stars" toName="text"/><TextArea name="reply" toName="text" required="true"/>')

    assert [each.name for each in found.controls] == ["reply"]
    assert found.notices == (
        "<Rating name='stars'> stands beside 'reply' and rates what is written there, which no task holds",
    )


@pytest.mark.parametrize(
    ("kind", "votes", "agreed"),
    [
        ("rating", [4, 5], 4),
        ("rating", [1, 5], None),
        ("rating", [2, 3, 5], 3),
        ("rating", [1, 3, 5], None),
        ("rating", [1, 1, 2, 3], 2),
        ("number", [7.5], 7.5),
        ("number", [100, 104], 100),
        ("number", [100, 120], None),
        ("number", [0, 0.001], None),
        ("number", [-100, -98, 50], -98),
    ],
)
def test_the_middle_number_stands_where_most_are_near_it(kind: str, votes: list[float], agreed: float | None) -> None:
    assert find_kinds()[kind].resolve(votes) == agreed
