"""Answers that Label Studio 1.23.2's editor sent and its exports held, read by their kinds."""

from typing import Any

import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.payloads import parse_webhook, task_from_export
from ml_backend.tasks import ServingPlan, serving_plan
from tests.recordings import recorded

BOB, WENT, PARIS, ZOE = Span(2, 5, "PER"), Span(6, 10, "ORG"), Span(14, 19, "LOC"), Span(31, 34, "PER")
WITH_EMOJI = (BOB, WENT, PARIS, ZOE)
AFTER_CRLF = (Span(47, 50, "PER"), Span(51, 54, "ORG"), Span(55, 56, "PER"), Span(57, 61, "LOC"))


def plan_of(name: str) -> ServingPlan:
    return serving_plan(parse_label_config(recorded(name)["label_config"]))


def answers(plan: ServingPlan, result: Any, data: dict[str, Any]) -> Target | None:
    """The answer, whose positions had not to be repaired: they are code points, and a line end is two of them."""
    (served,) = plan.controls
    found = served.kind.read(served.control, result, plan.text(data))
    assert found.reasons == ()
    return found.target


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("editor_multiple_choices", [("Economy", "Politics", "Sports")]),
        ("editor_entities", [WITH_EMOJI, AFTER_CRLF]),
    ],
)
def test_what_the_editor_submits_is_read_as_it_was_meant(name: str, expected: list[Target]) -> None:
    tasks = recorded(name)["tasks"]

    assert [answers(plan_of(name), task["submitted"]["result"], task["data"]) for task in tasks] == expected


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("export_multiple_choices", "editor_multiple_choices", [[("Sports",)] * 3, [("Economy", "Politics")]]),
        ("export_entities", "editor_entities", [[(Span(0, 4, "PER"), PARIS)], [WITH_EMOJI]]),
    ],
)
def test_an_export_gives_every_annotation_s_answer(name: str, config: str, expected: list[list[Target]]) -> None:
    plan = plan_of(config)
    tasks = [task_from_export(task) for task in recorded(name)]

    found = [[answers(plan, a.result, dict(task.data)) for a in task.annotations] for task in tasks]

    assert found == expected


def test_the_webhook_s_annotation_is_read_with_the_text_of_its_task() -> None:
    body = recorded("webhook_annotation_created_entities")
    plan = serving_plan(parse_label_config(body["project"]["label_config"]))
    (change,) = parse_webhook(body).annotations

    assert answers(plan, change.annotation.result, body["task"]["data"]) == WITH_EMOJI
