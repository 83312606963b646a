"""Rankings and choices among the options that each task brings along."""

from typing import Any

import pytest

from ml_backend.domain.example import Bucket, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.domain.row_json import target_from_json, target_to_json
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServingPlan, serving_plan

ITEMS = [{"id": "b", "title": "Roll", "body": "it"}, {"id": 4, "body": "Fold it"}, {"id": "a", "html": "<p>Tear</p>"}]
CHOICES = [
    {"value": "One", "alias": "1"},
    {"value": "Two", "children": [{"value": "Two and a half"}]},
    {"value": "x", "html": "<b>Three</b>"},
]


def ranking(buckets: str = "") -> ServingPlan:
    return plan(f'<List name="l" value="$items"/><Ranker name="c" toName="l">{buckets}</Ranker>')


def choices(attributes: str = "") -> ServingPlan:
    return plan(f'<Choices name="c" toName="t" value="$options" {attributes}/>')


def plan(control: str) -> ServingPlan:
    return serving_plan(parse_label_config(f'<View><Text name="t" value="$text"/>{control}</View>'))


BUCKETS = '<Bucket name="good"/><Bucket name="bad"/>'


def text_of(served: ServingPlan, **data: Any) -> str:
    return served.text({"text": "How?", "items": ITEMS, "options": CHOICES, **data})


def read(served: ServingPlan, kind: str, value: Any, **others: Any) -> tuple[Target | None, tuple[Reason, ...]]:
    region = {"from_name": "c", "type": kind, "value": {kind: value}, **others}
    answer = served.controls[0].answer([region], text_of(served))
    return answer.target, answer.reasons


def written(served: ServingPlan, target: Target, text: str = "") -> list[Any]:
    regions = served.controls[0].regions(ScoredTarget(target, 0.5, {}), text or text_of(served))
    return [region["value"][region["type"]] for region in regions]


@pytest.mark.parametrize(
    ("buckets", "value", "target"),
    [
        ("", {"c": ["a", "b", "4"]}, ("a", "b", "4")),
        (BUCKETS, {"good": ["a"], "bad": []}, (Bucket("good", ("a",)), Bucket("bad", ()), Bucket("_", ("b", "4")))),
        (
            BUCKETS,
            {"_": ["4", "b"], "bad": ["a"]},
            (Bucket("good", ()), Bucket("bad", ("a",)), Bucket("_", ("b", "4"))),
        ),
    ],
)
def test_a_ranking_is_read_with_all_items(buckets: str, value: Any, target: Target) -> None:
    assert read(ranking(buckets), "ranker", value) == (target, ())
    assert target_from_json(target_to_json(target)) == target


@pytest.mark.parametrize(
    ("buckets", "value", "reason"),
    [
        ("", {"c": ["b", "4", "a"]}, Reason.UNTOUCHED),
        ("", {"c": ["4", "b", "a"]}, Reason.UNTOUCHED),  # as the editor lists ids that are numbers
        (BUCKETS, {"_": ["4", "b", "a"], "good": [], "bad": []}, Reason.UNTOUCHED),
        ("", {"c": ["a", "b"]}, Reason.UNREADABLE),
        ("", {"c": ["a", "b", "zz"]}, Reason.UNREADABLE),
        ("", {"c": ["a", "b", "b"]}, Reason.UNREADABLE),
        ("", ["a", "b", "4"], Reason.UNREADABLE),
        (BUCKETS, {"gone": ["a"], "good": ["b"]}, Reason.UNREADABLE),
    ],
)
def test_what_is_no_ranking_of_the_items_gives_a_reason(buckets: str, value: Any, reason: Reason) -> None:
    assert read(ranking(buckets), "ranker", value) == (None, (reason,))


def test_the_order_of_the_task_is_an_answer_where_a_pre_label_showed_it() -> None:
    assert read(ranking(), "ranker", {"c": ["b", "4", "a"]}, origin="prediction") == (("b", "4", "a"), ())


@pytest.mark.parametrize("target", [("a", "b"), ("a", "b", "4", "zz"), ("a", "b", "zz"), "a", (Bucket("c", ("a",)),)])
def test_a_ranking_that_would_blank_the_page_or_hide_items_is_never_written(target: Target) -> None:
    assert written(ranking(), target) == []


@pytest.mark.parametrize(
    "target",
    [
        (Bucket("good", ("a", "zz")), Bucket("_", ("b", "4"))),
        (Bucket("good", ("a",)), Bucket("bad", ("b",))),
        (Bucket("gone", ("a",)), Bucket("_", ("b", "4"))),
        (Bucket("_", ("b", "4", "a")),),
    ],
)
def test_buckets_without_all_items_or_with_others_are_never_written(target: Target) -> None:
    assert written(ranking(BUCKETS), target) == []


@pytest.mark.parametrize(
    "items",
    [
        "a string",
        [],
        [{"id": "a", "body": "x"}, {"id": "a", "body": "y"}],
        [{"id": "a", "body": "x"}, {"body": "y"}],
        [{"id": "a", "body": "x"}, {"id": "b", "body": " "}],
        [{"id": "a", "body": "x"}, {"id": "b", "html": "<img src='b.png'/>"}],
        [{"id": "a", "body": "x"}, {"id": "\ud83d", "body": "y"}],
        [{"id": "a", "body": "x"}, {"id": "b\u2028c", "body": "y"}],
        [{"id": "a", "body": "x"}, 3],
    ],
)
def test_items_that_cannot_be_told_apart_or_say_nothing_are_not_ranked(items: Any) -> None:
    served = ranking()
    text = text_of(served, items=items)
    region = {"from_name": "c", "type": "ranker", "value": {"ranker": {"c": ["b", "a"]}}}

    assert served.controls[0].control.text_in(text) == ""
    assert served.controls[0].answer([region], text).reasons == (Reason.OPTIONS_UNFIT,)
    assert written(served, ("b", "a"), text) == []


def test_choices_are_known_by_alias_or_value_and_unknown_ones_are_never_taken() -> None:
    one, several = choices(), choices('choice="multiple"')

    assert read(one, "choices", ["1"]) == ("1", ())
    assert read(one, "choices", ["One"]) == (None, (Reason.UNKNOWN_OPTION,))
    assert read(one, "choices", ["1", "Two"]) == (None, (Reason.CONTRADICTORY,))
    assert read(several, "choices", ["Two", "1"]) == (("1", "Two"), ())
    assert written(one, "1") == [["1"]]
    assert written(one, "One") == []
    assert written(several, ("x", "1", "gone")) == [["1", "x"]]


def test_choices_inside_choices_go_by_their_paths() -> None:
    served = choices('choice="multiple" allowNested="true"')
    inner = "Two > Two and a half"

    assert read(served, "choices", [["Two"], ["Two", "Two and a half"]]) == (("Two", inner), ())
    assert written(served, ("1", inner)) == [[["1"], ["Two", "Two and a half"]]]
    assert written(served, inner.split(" > ")[1]) == []


def test_projects_that_read_other_fields_go_on_without_the_options() -> None:
    xml = """<View><Text name="t" value="$text"/><Choices name="topic" toName="t">
        <Choice value="a"/><Choice value="b"/></Choices>
        <Choices name="c" toName="t" value="$options"/></View>"""
    served = serving_plan(parse_label_config(xml), fields=())

    assert [each.name for each in served.controls] == ["topic"]
    assert served.text({"text": "How?", "options": CHOICES}) == "How?"
    assert any("'c'" in notice and "$options" in notice for notice in served.notices)


def test_a_list_that_is_read_as_a_text_stays_what_it_was() -> None:
    xml = """<View><Text name="t" value="$text"/><List name="l" value="$items"/><Ranker name="c" toName="l"/>
        <Rating name="stars" toName="t"/></View>"""
    before = serving_plan(parse_label_config(xml), fields=("text", "items"))

    assert [each.name for each in before.controls] == ["stars"]
    assert before.input({"text": "How?", "items": ITEMS}) == {
        "text": "How?",
        "items": "Roll: it\nFold it\n<p>Tear</p>",
    }
