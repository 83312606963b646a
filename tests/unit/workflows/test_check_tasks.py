"""Doctor's findings about a project's tasks: missing texts, and pre-labels that are all empty."""

from typing import Any

import httpx
import pytest

from ml_backend.domain.snapshot import Split
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.doctor.examination import State
from tests.services import CONFIG, texts_in
from tests.unit.workflows.healthy_loop import Loop, guarded


def with_config(loop: Loop, label_config: str) -> None:
    loop.services.studio.update_project(loop.project_id, {"label_config": label_config})
    remember_project(loop.services, loop.project_id, label_config)


def with_tasks(loop: Loop, *data: dict[str, Any]) -> None:
    """Put these tasks in place of the project's."""
    for task in loop.services.studio.first_tasks(loop.project_id, 100):
        loop.services.studio.remove_task(task.id)
    for each in data:
        loop.services.studio.import_tasks(loop.project_id, [{"data": each | {"text": each.get("text", "")}}])


def test_texts_that_are_there_are_in_order(loop: Loop) -> None:
    assert loop.finding("task_texts").found == "the first 3 tasks have a text at $text"


@pytest.mark.parametrize(
    ("shown", "named"),
    [
        ("$body", "$body"),
        ("$text.body", "$text.body"),
        ("$letters[0]", "$letters[0]"),
        ("$subject $body", "$subject $body"),
        ('$text" encoding="base64unicode', "$text"),
    ],
)
def test_a_project_whose_texts_cannot_be_read_is_broken(loop: Loop, shown: str, named: str) -> None:
    with_config(loop, CONFIG.replace('value="$text"', f'value="{shown}"'))

    found = f"all of the first 3 tasks have no text at {named}, task 1 for one, whose data holds 'text'"
    fix = 'let value="$..." under Settings, Labeling Interface name what the tasks hold'
    loop.assert_finding("task_texts", State.BROKEN, found, fix)


def test_some_tasks_without_a_text_are_a_warning(loop: Loop) -> None:
    with_tasks(loop, {"text": "one"}, {"text": " "}, {"text": "two"}, {"text": ""})

    found = "2 of the first 4 tasks have no text at $text, task "
    loop.assert_finding("task_texts", State.WARNING, found, "fill it in, or delete these tasks")


def test_a_project_without_tasks_is_in_order(loop: Loop) -> None:
    with_tasks(loop)

    assert loop.finding("task_texts").found == "there is no task yet"
    assert loop.finding("prelabels").state is State.OK


def test_pre_labels_that_are_there_are_in_order(loop: Loop) -> None:
    loop.assert_finding("prelabels", State.OK, "has an answer to 3 of 3 tasks that were asked about")


def test_pre_labels_that_are_all_empty_are_a_warning(loop: Loop) -> None:
    version = loop.finding("selection").found.split()[0]
    empty = {"result": [], "score": 0.9, "model_version": version}
    answer = {"model_class": "labelloop", "model_version": version, "versions": [version], "results": [empty] * 3}
    loop.transport = guarded(lambda _path: httpx.Response(200, json=answer))

    found = "are empty, those of 3 tasks with texts that were asked about"
    loop.assert_finding("prelabels", State.WARNING, found, "labelloop train --project 1")


def test_blind_tasks_are_not_asked_about(loop: Loop) -> None:
    with_tasks(loop, *({"text": text} for text in texts_in(Split.TEST, 3)))

    assert loop.finding("prelabels").found == "not asked for: each of the first tasks is blind or has no text"


def test_no_answer_is_expected_of_a_cold_start_that_has_none(loop: Loop) -> None:
    with_config(loop, CONFIG.replace('choice="single"', 'choice="multiple"'))

    assert loop.finding("prelabels").found.startswith("none before the first training")


def test_a_control_that_cannot_be_served_is_named_with_what_to_do(loop: Loop) -> None:
    with_config(loop, CONFIG.replace("</View>", '<Rating name="stars" toName="text"/></View>'))

    found = "<Rating name='stars'> is of a kind that stays in Label Studio"
    fix = "docs/label-configs.md says how to write what is served"
    loop.assert_finding("label_config", State.WARNING, found, fix)
