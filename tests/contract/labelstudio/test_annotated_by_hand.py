"""Answers that people give in the real editor come back the same from every export format of Label Studio.

The configs are written as people write them, and the answers are made with the mouse: nothing here goes through the API
but tasks and exports.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ml_backend.bootstrap import build_services
from ml_backend.domain.example import Span, Target
from ml_backend.domain.reasons import ReasonCounts
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.options import Options
from ml_backend.tasks import serving_plan
from ml_backend.workflows.exporting.row_source import RowSource
from ml_backend.workflows.services import Services
from tests.browser import keep, logged_in, mark
from tests.studio import project_with_tasks, task_ids

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FORMATS = {"JSON": "json", "JSON_MIN": "json", "CSV": "csv", "TSV": "tsv"}
AB = '<Choice value="a"/><Choice value="b"/>'
LETTER = "http://letters.test/1.txt"
ENTITIES = '<Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'


@dataclass(frozen=True)
class ByHand:
    """A task and what a person does with it.

    Attributes:
        ticks: choices to tick, by the value that they show.
        marks: (label, piece of the text) to mark with the mouse.
        ticks_of_the_mark: choices to tick once the first mark is selected.
        answers: the targets that must come back; None: the task gives no row.
        answers_of_marks: further ones, which come back from JSON alone: the other formats do not say of which mark.
        is_submitted: False: nobody opens the task.
    """

    data: Mapping[str, Any]
    answers: Mapping[str, Target] | None
    ticks: Sequence[str] = ()
    marks: Sequence[tuple[str, str]] = ()
    ticks_of_the_mark: Sequence[str] = ()
    answers_of_marks: Mapping[str, Target] = field(default_factory=dict)
    is_submitted: bool = True


@dataclass(frozen=True)
class Scenario:
    config: str
    tasks: Sequence[ByHand] = field(default_factory=tuple)


SCENARIOS = {
    "tasks-that-nobody-annotated": Scenario(
        f'<View>{ENTITIES}<Text name="text" value="$text"/>'
        f'<Choices name="topics" toName="text" choice="multiple">{AB}</Choices></View>',
        [
            ByHand(
                {"text": "Anna lives in Paris"},
                {"label": (Span(14, 19, "LOC"),), "topics": ("a", "b")},
                ticks=["a", "b"],
                marks=[("LOC", "Paris")],
            ),
            ByHand({"text": "Nobody is here"}, {"label": (), "topics": ()}),
            ByHand({"text": "Bob works in Rome"}, None, is_submitted=False),
        ],
    ),
    "a-text-inside-an-object": Scenario(
        f'<View><Text name="text" value="$doc.text"/><Choices name="s" toName="text">{AB}</Choices></View>',
        [
            ByHand({"doc": {"text": "Anna lives in Paris"}}, {"s": "b"}, ticks=["b"]),
            ByHand({"doc": {"text": "Bob works in Rome"}}, {"s": "a"}, ticks=["a"]),
        ],
    ),
    "a-text-inside-a-list": Scenario(
        f'<View>{ENTITIES}<Text name="text" value="$items[0].text"/></View>',
        [
            ByHand(
                {"items": [{"text": "Bob works in Rome"}]}, {"label": (Span(13, 17, "LOC"),)}, marks=[("LOC", "Rome")]
            )
        ],
    ),
    "a-choice-for-each-span-in-capitals": Scenario(
        f'<View>{ENTITIES}<Text name="text" value="$text"/>'
        f'<Choices name="s" toName="text" PERREGION="true">{AB}</Choices></View>',
        [
            ByHand(
                {"text": "Anna lives in Paris"},
                {"label": (Span(14, 19, "LOC"),)},
                marks=[("LOC", "Paris")],
                ticks_of_the_mark=["a"],
                answers_of_marks={"s": (Span(14, 19, "a"),)},
            )
        ],
    ),
    "a-text-behind-an-address": Scenario(
        '<View><Text name="file" value="$file" valueType="url"/><Text name="text" value="$text"/>'
        f'<Choices name="s" toName="text">{AB}</Choices><Choices name="u" toName="file">'
        '<Choice value="x"/><Choice value="y"/></Choices></View>',
        [ByHand({"file": LETTER, "text": "one"}, {"s": "a"}, ticks=["a", "x"])],
    ),
    "attributes-in-any-case-and-a-label-twice": Scenario(
        f'<View><Text name="text" value="$text"/><Choices name="s" toName="text" CHOICE="multiple">{AB}'
        '<Choice value="c"/><Choice value="c"/></Choices></View>',
        [
            ByHand({"text": "one"}, {"s": ("a", "b")}, ticks=["a", "b"]),
            ByHand({"text": "two"}, {"s": ("b",)}, ticks=["b"]),
        ],
    ),
    "choices-that-may-be-nested": Scenario(
        '<View><Text name="text" value="$text"/>'
        f'<Choices name="s" toName="text" allowNested="true">{AB}</Choices>'
        '<Choices name="m" toName="text" choice="multiple" allowNested="true">'
        '<Choice value="x"/><Choice value="y"/></Choices></View>',
        [
            ByHand({"text": "one"}, {"s": "b", "m": ("x", "y")}, ticks=["b", "x", "y"]),
            ByHand({"text": "two"}, {"s": "a", "m": ()}, ticks=["a"]),
        ],
    ),
    "questions-under-conditions": Scenario(
        '<View><Text name="text" value="$text"/>'
        '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Choices>'
        '<View visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Fruit">'
        '<Choices name="fruit" toName="text" choice="multiple"><Choice value="apple"/><Choice value="pear"/></Choices>'
        "</View>"
        '<Choices name="car" toName="text" visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Car">'
        '<Choice value="truck"/><Choice value="bus"/></Choices></View>',
        [
            ByHand({"text": "we bought a pear"}, {"theme": "Fruit", "fruit": ("pear",)}, ticks=["Fruit", "pear"]),
            ByHand({"text": "they sold a bus"}, {"theme": "Car", "car": "bus"}, ticks=["Car", "bus"]),
            ByHand({"text": "we ate"}, {"theme": "Fruit", "fruit": ()}, ticks=["Fruit"]),
        ],
    ),
    "spans-with-white-space-and-odd-characters": Scenario(
        f'<View>{ENTITIES}<Text name="text" value="$text"/></View>',
        [
            ByHand({"text": "Yesterday Anna went home"}, {"label": (Span(10, 14, "PER"),)}, marks=[("PER", "Anna ")]),
            ByHand(
                {"text": "💩 Hello to Oslo 👩‍👩‍👧 now"}, {"label": (Span(11, 15, "LOC"),)}, marks=[("LOC", " Oslo ")]
            ),
            ByHand(
                {"text": "Line one\r\nAnna lives\r\nin Paris now"},
                {"label": (Span(25, 30, "LOC"),)},
                marks=[("LOC", "Paris")],
            ),
        ],
    ),
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with closing(build_services(Options(home=tmp_path_factory.mktemp("home")))) as built:
        yield built


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_answers_made_in_the_editor_are_read_back_equal_from_every_format(
    browser: "Browser",
    studio: LocalStudio,
    studio_client: StudioClient,
    services: Services,
    name: str,
) -> None:
    scenario = SCENARIOS[name]
    project = project_with_tasks(
        studio_client, title=name, label_config=scenario.config, tasks=[{"data": task.data} for task in scenario.tasks]
    )
    tasks = dict(zip(task_ids(studio_client, project.id), scenario.tasks, strict=True))
    page = logged_in(browser, studio)
    page.route(LETTER, lambda route: route.fulfill(body="A letter", headers={"Access-Control-Allow-Origin": "*"}))
    for task_id, task in tasks.items():
        if task.is_submitted:
            _annotate(page, f"{studio.url}/projects/{project.id}/data?task={task_id}", task)
    keep(page, f"by-hand-{name}")

    plan = serving_plan(parse_label_config(scenario.config))
    answered = {task_id: task for task_id, task in tasks.items() if task.answers is not None}
    for export_format, suffix in FORMATS.items():
        wanted = {
            task_id: {**(task.answers or {}), **(task.answers_of_marks if export_format == "JSON" else {})}
            for task_id, task in answered.items()
        }
        export = services.options.home / f"{name}-{export_format}.{suffix}"
        export.write_bytes(_exported(studio, project.id, export_format))
        rows = RowSource.of_file(services, export, plan, FileNotes()).rows(ReasonCounts())
        found = {row.task_id: dict(row.targets) for row in rows}
        assert found == wanted, f"{export_format}: {export.read_text(encoding='utf-8')}"


def _annotate(page: "Page", address: str, task: ByHand) -> None:
    page.goto(address)
    submit = page.get_by_role("button", name=re.compile("submit", re.IGNORECASE))
    submit.wait_for()
    for choice in task.ticks:
        page.locator(f"input[name={choice!r}]").check()
    for label, piece in task.marks:
        mark(page, label, piece)
    if task.ticks_of_the_mark:
        page.locator(".htx-highlight").first.click()
    for choice in task.ticks_of_the_mark:
        page.locator(f"input[name={choice!r}]").check()
    submit.click()
    page.get_by_text("Update", exact=True).wait_for()


def _exported(studio: LocalStudio, project_id: int, export_format: str) -> bytes:
    answer = httpx.get(
        f"{studio.url}/api/projects/{project_id}/export",
        params={"exportType": export_format, "download_all_tasks": "true"},
        headers={"Authorization": f"Token {studio.token}"},
        timeout=60.0,
    )
    return answer.raise_for_status().content
