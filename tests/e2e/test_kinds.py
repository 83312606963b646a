"""Every kind of control through the whole loop: a real Label Studio, a real browser, the backend as a process."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.domain.example import Span, parts_of
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.workflows.splits import splits_of
from tests.browser import keep, logged_in, mark
from tests.e2e.loops import Loop, config_of, connected_loop, submit
from tests.kinds import KINDS, Example, KindMaterial, result_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LABELED, WAITING = 260, 40


@pytest.fixture(params=sorted(KINDS))
def material(request: pytest.FixtureRequest) -> KindMaterial:
    return KINDS[request.param]


@pytest.fixture
def examples(material: KindMaterial) -> list[Example]:
    return material.examples(LABELED + WAITING, seed=5)


@pytest.fixture
def loop(
    browser: "Browser", studio: LocalStudio, material: KindMaterial, examples: list[Example], tmp_path: Path
) -> Iterator[Loop]:
    """A project in which most tasks are labeled."""
    tasks: list[dict[str, Any]] = [{"data": {"text": example.text}} for example in examples]
    for task, example in list(zip(tasks, examples, strict=True))[:LABELED]:
        task["annotations"] = [{"result": result_of(example)}]
    name = material.template
    with connected_loop(studio, tmp_path, name, config_of(name), tasks, audit_after_training=False) as made:
        yield made


@pytest.fixture
def waiting(loop: Loop, examples: list[Example]) -> Mapping[int, Example]:
    """The truth about the tasks that are not labeled."""
    truth = {example.text: example for example in examples}
    return {task.id: truth[str(task.data["text"])] for task in loop.open_tasks()}


def test_a_kind_is_labeled_learned_and_prelabeled(
    browser: "Browser", studio: LocalStudio, loop: Loop, waiting: Mapping[int, Example]
) -> None:
    page = logged_in(browser, studio)
    for_training = [task_id for task_id, example in waiting.items() if _split(loop, example) is Split.TRAIN]
    by_hand = next(task_id for task_id in for_training if _is_plain(waiting[task_id]))
    others = [task_id for task_id in for_training if task_id != by_hand]
    _annotate(page, loop, by_hand, waiting[by_hand])

    job = loop.backend.finish(loop.services, loop.backend.press_start_training(loop.services, loop.project))
    version = job.result["model_version"]
    gate = job.result["gate"]
    assert job.result["is_promoted"] is True, gate["reason"]
    assert dict(loop.rows()[by_hand].targets) == dict(waiting[by_hand].targets)

    right = [task_id for task_id in others if _answers(loop.prediction(task_id, version)) == _truth(waiting[task_id])]
    assert len(right) >= 0.6 * len(others), f"{len(right)} of {len(others)} pre-labels are right"
    shown = max(right, key=lambda task_id: (not waiting[task_id].text.isascii(), len(_truth(waiting[task_id]))))
    _see_the_prelabel(page, loop, shown, waiting[shown])
    held_out = next(task_id for task_id, example in waiting.items() if _split(loop, example) is Split.TEST)
    assert loop.prediction(held_out, version)["result"] == []


def _split(loop: Loop, example: Example) -> Split:
    return splits_of(loop.services, loop.project, [example.text])[0]


def _truth(example: Example) -> set[tuple[str, str | Span]]:
    return {(control, part) for control, target in example.targets.items() for part in parts_of(target)}


def _answers(prediction: Mapping[str, Any]) -> set[tuple[str, str | Span]]:
    found: set[tuple[str, str | Span]] = set()
    for region in prediction["result"]:
        value = region["value"]
        if region["type"] == "labels":
            found.add((region["from_name"], Span(value["start"], value["end"], value["labels"][0])))
        else:
            found |= {(region["from_name"], label) for label in value["choices"]}
    return found


def _annotate(page: "Page", loop: Loop, task_id: int, example: Example) -> None:
    """Answer as the expert does: tick boxes, mark words with the mouse, press Submit."""
    loop.show(page, task_id)
    for target in example.targets.values():
        for part in parts_of(target):
            if isinstance(part, Span):
                mark(page, part.label, example.text[part.start : part.end])
            else:
                page.locator(f"input[name={part!r}]").check()
    keep(page, f"kinds-{loop.project.title}-1-by-hand")
    submit(page)


def _is_plain(example: Example) -> bool:
    """True where every marked piece occurs once, so that it can be found on the screen by its characters."""
    spans = [part for target in example.targets.values() for part in parts_of(target) if isinstance(part, Span)]
    return "\n" not in example.text and all(example.text.count(example.text[s.start : s.end]) == 1 for s in spans)


def _see_the_prelabel(page: "Page", loop: Loop, task_id: int, example: Example) -> None:
    """The browser shows the very characters and boxes that the truth has, before anybody has touched the task."""
    loop.show(page, task_id)
    parts = [part for target in example.targets.values() for part in parts_of(target)]
    pieces = sorted(example.text[part.start : part.end] for part in parts if isinstance(part, Span))
    labels = sorted(part for part in parts if isinstance(part, str))
    highlighted = page.locator(".htx-highlight")
    if pieces:
        highlighted.nth(len(pieces) - 1).wait_for()
    keep(page, f"kinds-{loop.project.title}-2-prelabel")
    assert sorted(text.strip() for text in highlighted.all_inner_texts()) == pieces
    ticked = page.locator("input[name]:checked")
    assert sorted(name for box in ticked.all() if (name := box.get_attribute("name"))) == labels
