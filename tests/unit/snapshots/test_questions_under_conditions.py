"""Rows of questions that were not asked, and of texts that are not simply one field."""

from collections.abc import Sequence
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.example import Target
from ml_backend.domain.reasons import Reason
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.snapshots.build import BuiltRows, build_rows
from ml_backend.snapshots.reviewed import BuildSettings
from ml_backend.tasks import ServingPlan, serving_plan
from tests.unit.tasks.plans import choices_region, labels_region, plan

THEME = '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Choices>'
ON_FRUIT = 'visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Fruit"'
FLAWS = '<Choices name="flaws" toName="text" choice="multiple"><Choice value="ripe"/><Choice value="old"/></Choices>'
PARTS = '<Labels name="parts" toName="text"><Label value="PART"/></Labels>'
PLAN = plan(f"{THEME}<View {ON_FRUIT}>{FLAWS}{PARTS}</View>")
FRUIT, CAR = choices_region(["Fruit"], "theme"), choices_region(["Car"], "theme")


def built(result: Sequence[Region], over: ServingPlan = PLAN, data: Any = None) -> BuiltRows:
    task = Task(1, data or {"text": "a text"}, (Annotation(7, "1", tuple(result)),))
    return build_rows([task], over, BuildSettings(split=SplitFractions(1, 0, 0)), lambda _task, _annotation: None)


@pytest.mark.parametrize(
    ("result", "targets"),
    [
        ([FRUIT], {"theme": "Fruit", "flaws": (), "parts": ()}),
        ([FRUIT, choices_region(["old"], "flaws")], {"theme": "Fruit", "flaws": ("old",), "parts": ()}),
        ([CAR], {"theme": "Car"}),
    ],
)
def test_a_question_that_was_not_asked_has_no_answer_and_one_that_was_may_be_left_empty(
    result: list[Region], targets: dict[str, Target]
) -> None:
    (row,) = built(result).splits[Split.TRAIN]

    assert row.targets == targets
    assert row.labels[0].targets == targets


@pytest.mark.parametrize("stray", [choices_region(["old"], "flaws"), labels_region(0, 1, ["PART"], "parts")])
def test_an_answer_to_a_question_that_was_not_asked_is_left_out_and_counted(stray: Region) -> None:
    rows = built([CAR, stray])

    assert rows.splits[Split.TRAIN][0].targets == {"theme": "Car"}
    (counted,) = [each for each in rows.reasons if each.reason is Reason.NOT_ASKED]
    assert (counted.control, counted.count, counted.tasks) == (stray["from_name"], 1, 1)


def test_a_question_that_waits_for_a_selection_is_answered_by_what_was_said_alone() -> None:
    over = plan(f'{PARTS}<View visibleWhen="region-selected" whenTagName="parts">{FLAWS}</View>')
    part = labels_region(0, 1, ["PART"], "parts")

    assert built([part], over).splits[Split.TRAIN][0].targets.keys() == {"parts"}
    assert built([part, choices_region(["old"], "flaws")], over).splits[Split.TRAIN][0].targets["flaws"] == ("old",)


def said(theme: str, *flaws: str) -> list[Region]:
    return [choices_region([theme], "theme"), *([choices_region(list(flaws), "flaws")] if flaws else [])]


@pytest.mark.parametrize(
    ("votes", "targets"),
    [
        ([said("Fruit", "old"), said("Fruit", "old"), said("Car")], {"theme": "Fruit", "flaws": ("old",), "parts": ()}),
        ([said("Car"), said("Car"), said("Fruit", "old")], {"theme": "Car"}),
        ([said("Car"), said("Fruit", "old")], {}),
    ],
)
def test_no_answer_stands_to_a_question_that_is_not_asked_after_the_answers_that_stand(
    votes: list[list[Region]], targets: dict[str, Target]
) -> None:
    annotations = (Annotation(number, str(number), tuple(result)) for number, result in enumerate(votes, start=1))
    settings = BuildSettings(split=SplitFractions(1, 0, 0))

    rows = build_rows(
        [Task(1, {"text": "a text"}, tuple(annotations))], PLAN, settings, lambda _task, _annotation: None
    )

    (row,) = (*rows.splits[Split.TRAIN], *rows.unresolved)
    assert row.targets == targets


def test_equal_texts_that_differ_lose_the_answers_that_were_asked_after_those_that_differ_as_well() -> None:
    tasks = [
        Task(number, {"text": "a text"}, (Annotation(number, "1", tuple(result)),))
        for number, result in enumerate([said("Fruit", "old"), said("Car")], start=1)
    ]

    rows = build_rows(tasks, PLAN, BuildSettings(split=SplitFractions(1, 0, 0)), lambda _task, _annotation: None)

    assert rows.splits[Split.TRAIN] == ()
    assert [row.targets for row in rows.unresolved] == [{}, {}]


def test_what_a_control_decides_that_is_not_served_is_read_from_the_annotations() -> None:
    tree = '<Taxonomy name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Taxonomy>'
    over = plan(f"{tree}<View {ON_FRUIT}>{FLAWS}</View>")
    fruit = {"from_name": "theme", "type": "taxonomy", "value": {"taxonomy": [["Fruit"]]}}
    result = (fruit, choices_region(["old"], "flaws"))
    task = Task(1, {"text": "a text"}, (Annotation(1, "1", result), Annotation(2, "2", result)))

    rows = build_rows([task], over, BuildSettings(split=SplitFractions(1, 0, 0)), lambda _task, _annotation: None)

    assert rows.splits[Split.TRAIN][0].targets == {"flaws": ("old",)}


@pytest.mark.parametrize(
    ("shown", "data", "row_input"),
    [
        ('value="$mail.body"', {"mail": {"body": "Dear all"}}, {"mail.body": "Dear all"}),
        ('value="$turns[1].says"', {"turns": [{}, {"says": "Hello"}]}, {"turns[1].says": "Hello"}),
        ('value="$title: $body"', {"title": "A", "body": "B"}, {"$title: $body": "A: B"}),
        ('value="$words"', {"words": ["a", "b"]}, {"words": "a,b"}),
        ('value="$code" encoding="base64unicode"', {"code": "w6RiYw=="}, {"code": "äbc"}),
    ],
)
def test_a_row_holds_the_text_that_annotators_saw(shown: str, data: dict[str, Any], row_input: dict[str, str]) -> None:
    over = serving_plan(parse_label_config(f'<View><Text name="text" {shown}/>{THEME}</View>'))

    (row,) = built([FRUIT], over, data).splits[Split.TRAIN]

    assert row.input == row_input
    assert built([FRUIT], over, {"other": "x"}).dropped_counts == {"empty_text": 1}
