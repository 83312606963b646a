"""Doctor's findings about a project's tasks: missing texts, and pre-labels that are all empty."""

from typing import Any

import httpx
import pytest

from ml_backend.domain.snapshot import Split
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.doctor.examination import State
from tests.services import CONFIG, texts_in
from tests.unit.workflows.healthy_loop import Loop, answering


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

    finding = loop.finding("task_texts")

    assert finding.state is State.BROKEN
    assert f"all of the first 3 tasks have no text at {named}, task 1 for one, whose data holds 'text'" in finding.found
    assert 'let value="$..." under Settings, Labeling Interface name what the tasks hold' in finding.fix


def test_a_text_behind_an_address_is_named_with_what_to_do(loop: Loop) -> None:
    shown = CONFIG.replace('value="$text"', 'value="$text" valueType="url"')
    loop.services.studio.update_project(loop.project_id, {"label_config": shown})

    finding = loop.finding("label_config")

    assert finding.state is State.BROKEN
    assert 'valueType="url">: tasks hold an address there' in finding.found
    assert "import tasks that hold the texts themselves" in finding.found


def test_some_tasks_without_a_text_are_a_warning(loop: Loop) -> None:
    with_tasks(loop, {"text": "one"}, {"text": " "}, {"text": "two"}, {"text": ""})

    finding = loop.finding("task_texts")

    assert finding.state is State.WARNING
    assert finding.found.startswith("2 of the first 4 tasks have no text at $text, task ")
    assert finding.fix == "fill it in, or delete these tasks"


def test_a_project_without_tasks_is_in_order(loop: Loop) -> None:
    with_tasks(loop)

    assert loop.finding("task_texts").found == "there is no task yet"
    assert loop.finding("prelabels").state is State.OK


def test_pre_labels_that_are_there_are_in_order(loop: Loop) -> None:
    finding = loop.finding("prelabels")

    assert finding.state is State.OK
    assert "has an answer to 3 of 3 tasks that were asked about" in finding.found


def test_pre_labels_that_are_all_empty_are_a_warning(loop: Loop) -> None:
    version = loop.finding("selection").found.split()[0]
    empty = {"result": [], "score": 0.9, "model_version": version}
    answer = {"model_class": "labelloop", "model_version": version, "versions": [version], "results": [empty] * 3}

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer) if "authorization" in request.headers else httpx.Response(401)

    loop.transport = answering(respond)

    finding = loop.finding("prelabels")

    assert finding.state is State.WARNING
    assert "are empty, those of 3 tasks with texts that were asked about" in finding.found
    assert "labelloop train --project 1" in finding.fix


def test_blind_tasks_are_not_asked_about(loop: Loop) -> None:
    with_tasks(loop, *({"text": text} for text in texts_in(Split.TEST, 3)))

    assert loop.finding("prelabels").found == "not asked for: each of the first tasks is blind or has no text"


def test_no_answer_is_expected_of_a_cold_start_that_has_none(loop: Loop) -> None:
    with_config(loop, CONFIG.replace('choice="single"', 'choice="multiple"'))

    assert loop.finding("prelabels").found.startswith("none before the first training")


@pytest.mark.parametrize(
    ("control", "named"),
    [
        ('<Rating name="stars" toName="text"/>', "<Rating name='stars'> is of a kind that stays in Label Studio"),
        ('<Choices name="more" toName="gone"/>', "<Choices name='more'> has toName='gone', but no tag has that name"),
        ('<Number name="category" toName="text"/>', "shares its name with another tag"),
        (
            (
                '<Text name="file" value="$file" valueType="url"/>'
                '<Labels name="spans" toName="file"><Label value="A"/></Labels>'
            ),
            "<Labels name='spans'> is about <Text name='file' valueType=\"url\">: tasks hold an address there",
        ),
    ],
)
def test_a_control_that_cannot_be_served_is_named_with_what_to_do(loop: Loop, control: str, named: str) -> None:
    other = '<Choices name="other" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
    with_config(loop, CONFIG.replace("</View>", f"{other}{control}</View>"))

    finding = loop.finding("label_config")

    assert finding.state is State.WARNING
    assert named in finding.found
    assert "docs/label-configs.md says how to write what is served" in finding.fix
