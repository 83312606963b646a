"""Rows of questions that were not asked, and of texts that are not simply one field."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ml_backend.domain.annotation import Region
from ml_backend.domain.example import Target
from ml_backend.domain.reasons import Reason
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.snapshots.build import BuiltRows
from ml_backend.tasks import ServingPlan, serving_plan
from tests.unit.snapshots import builders
from tests.unit.snapshots.builders import ALL_TRAIN, only, task
from tests.unit.tasks.plans import choices_region, labels_region, plan

THEME = '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Choices>'
ON_FRUIT = 'visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Fruit"'
FLAWS = '<Choices name="flaws" toName="text" choice="multiple"><Choice value="ripe"/><Choice value="old"/></Choices>'
PARTS = '<Labels name="parts" toName="text"><Label value="PART"/></Labels>'
PLAN = plan(f"{THEME}<View {ON_FRUIT}>{FLAWS}{PARTS}</View>")


def built(*results: Sequence[Region], over: ServingPlan = PLAN) -> BuiltRows:
    return builders.built([task(1, "a text", *results)], over=over, split=ALL_TRAIN)


def said(theme: str, *flaws: str) -> list[Region]:
    return [choices_region([theme], "theme"), *([choices_region(list(flaws), "flaws")] if flaws else [])]


@pytest.mark.parametrize("stray", [choices_region(["old"], "flaws"), labels_region(0, 1, ["PART"], "parts")])
def test_an_answer_to_a_question_that_was_not_asked_is_left_out_and_counted(stray: Region) -> None:
    rows = built([*said("Car"), stray])

    assert rows.splits[Split.TRAIN][0].targets == {"theme": "Car"}
    (counted,) = [each for each in rows.reasons if each.reason is Reason.NOT_ASKED]
    assert (counted.control, counted.count, counted.tasks) == (stray["from_name"], 1, 1)


def test_a_question_that_waits_for_a_selection_is_answered_by_what_was_said_alone() -> None:
    over = plan(f'{PARTS}<View visibleWhen="region-selected" whenTagName="parts">{FLAWS}</View>')
    part = labels_region(0, 1, ["PART"], "parts")

    assert only(built([part], over=over)).targets.keys() == {"parts"}
    assert only(built([part, choices_region(["old"], "flaws")], over=over)).targets["flaws"] == ("old",)


@pytest.mark.parametrize(
    ("votes", "targets"),
    [
        ([said("Fruit")], {"theme": "Fruit", "flaws": (), "parts": ()}),
        ([said("Fruit", "old")], {"theme": "Fruit", "flaws": ("old",), "parts": ()}),
        ([said("Car")], {"theme": "Car"}),
        ([said("Fruit", "old"), said("Fruit", "old"), said("Car")], {"theme": "Fruit", "flaws": ("old",), "parts": ()}),
        ([said("Car"), said("Car"), said("Fruit", "old")], {"theme": "Car"}),
        ([said("Car"), said("Fruit", "old")], {}),
    ],
)
def test_no_answer_stands_to_a_question_that_is_not_asked_after_the_answers_that_stand(
    votes: list[list[Region]], targets: dict[str, Target]
) -> None:
    row = only(built(*votes))

    assert row.targets == targets
    assert len(votes) > 1 or row.labels[0].targets == targets


def test_equal_texts_that_differ_lose_the_answers_that_were_asked_after_those_that_differ_as_well() -> None:
    tasks = [task(1, "a text", said("Fruit", "old")), task(2, "a text", said("Car"))]

    rows = builders.built(tasks, over=PLAN, split=ALL_TRAIN)

    assert rows.splits[Split.TRAIN] == ()
    assert [row.targets for row in rows.unresolved] == [{}, {}]


def test_what_a_control_decides_that_is_not_served_is_read_from_the_annotations() -> None:
    tree = '<Taxonomy name="theme" toName="text" apiUrl="http://tree.test"><Choice value="Fruit"/></Taxonomy>'
    over = plan(f"{tree}<View {ON_FRUIT}>{FLAWS}</View>")
    fruit = {"from_name": "theme", "type": "taxonomy", "value": {"taxonomy": [["Fruit"]]}}
    result = (fruit, choices_region(["old"], "flaws"))

    assert only(built(result, result, over=over)).targets == {"flaws": ("old",)}


@pytest.mark.parametrize(
    ("shown", "data", "row_input"),
    [
        ('value="$mail.body"', {"mail": {"body": "Dear all"}}, {"mail.body": "Dear all"}),
        ('value="$title: $body"', {"title": "A", "body": "B"}, {"$title: $body": "A: B"}),
        ('value="$code" encoding="base64unicode"', {"code": "w6RiYw=="}, {"code": "äbc"}),
    ],
)
def test_a_row_holds_the_text_that_annotators_saw(shown: str, data: dict[str, Any], row_input: dict[str, str]) -> None:
    over = serving_plan(parse_label_config(f'<View><Text name="text" {shown}/>{THEME}</View>'))

    whole, without = (
        builders.built([replace(task(1, "", said("Fruit")), data=each)], over=over) for each in (data, {"other": "x"})
    )

    assert only(whole).input == row_input
    assert without.dropped_counts == {"empty_text": 1}
