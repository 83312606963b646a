"""Answers of further kinds: given with the mouse, learned, shown as a pre-label, and submitted as they are."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.label_config import LEFT, RIGHT
from ml_backend.domain.model import Method
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.labelstudio.plans import plan_of
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.splits import splits_of
from tests.browser import keep, logged_in
from tests.e2e.loops import config_of, connected_loop, submit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LABELED, WAITING = 160, 20
PROMPTS = ("My parcel is late.", "I was charged twice.", "The lamp does not switch on.", "I cannot sign in.")
POLITE = (
    "I am sorry for the trouble, {} is on its way to you.",
    "Thank you for telling us, we have sent {} today.",
    "Of course, I would be glad to help you with {}.",
    "We apologise, and you will get {} at no cost.",
)
SHORT = ("Noted: {}.", "See the page about {}.", "Form 12 is about {}.", "Ticket opened: {}.")
RUDE = (
    "That is your own fault, nobody here cares about {}.",
    "Stop writing to us about {}, we do not have time for this.",
    "Read the manual before you complain about {} again.",
    "You should have thought of {} before you bought it.",
)
THINGS = ("the parcel", "the refund", "a new lamp", "the password", "the invoice", "another charger", "your order")
URGENT = {
    1: ("Just a thought about {}, no hurry at all.", "Some day I might ask about {}, it can wait."),
    3: ("Please answer about {} this week.", "I would like to hear about {} in the next days."),
    5: ("Emergency! I lose money every minute over {}!", "Act now, this instant: {} is being stolen!"),
}
TOPICS = {
    ("Payments", "Cards", "Lost or stolen"): ("My card was stolen together with {}.", "I lost my card beside {}."),
    ("Payments", "Refunds"): ("I want my money back for {}.", "When does the refund for {} arrive?"),
    ("Account", "Access"): ("I cannot sign in to see {}.", "The passcode fails when I look for {}."),
    ("Praise",): ("I am delighted with {}, thank you!", "Wonderful service about {}, well done."),
}
FIELDS = {LEFT: "answer1", RIGHT: "answer2"}
AROUND = "xpath=ancestor::*[contains(@class, 'bg-primary-background')]"
"""The editor gives this class to a tag around the side that is chosen."""
ITEM, STAR, NODE = ".htx-ranker-item", ".ant-rate [role=radio]", ".ant-select-tree-treenode"


class Question(NamedTuple):
    """A template's question: how tasks are made, answered with the mouse, and how an answer is seen in the editor."""

    region: Mapping[str, str]
    make: Callable[[random.Random], tuple[dict[str, Any], Any]]
    give: "Callable[[Page, Mapping[str, Any], Any], None]"
    seen: "Callable[[Page, Mapping[str, Any]], Any]"


def filled(draw: random.Random, texts: Sequence[str]) -> str:
    noise = "".join(draw.choices("abcdefgh", k=12))  # texts that resemble each other would share a split
    return f"{draw.choice(texts).format(draw.choice(THINGS))} ({noise} 🪁)"


def make_pair(draw: random.Random) -> tuple[dict[str, Any], str]:
    polite, rude = filled(draw, POLITE), filled(draw, RUDE)
    better = draw.choice((LEFT, RIGHT))
    first, second = (polite, rude) if better == LEFT else (rude, polite)
    return {"prompt": filled(draw, PROMPTS), "answer1": first, "answer2": second}, better


def choose_side(page: "Page", data: Mapping[str, Any], better: str) -> None:
    page.get_by_text(data[FIELDS[better]]).click()


def chosen_side(page: "Page", data: Mapping[str, Any]) -> str:
    (chosen,) = (side for side, field in FIELDS.items() if page.get_by_text(data[field]).locator(AROUND).count())
    return chosen


def make_ranking(draw: random.Random) -> tuple[dict[str, Any], dict[str, list[str]]]:
    names = draw.sample("abc", 3)
    items = [
        {"id": name, "title": name.upper(), "body": filled(draw, texts)}
        for name, texts in zip(names, (POLITE, SHORT, RUDE), strict=True)
    ]
    return {"prompt": filled(draw, PROMPTS), "items": sorted(items, key=lambda item: item["id"])}, {"rank": names}


def put_in_order(page: "Page", _data: Mapping[str, Any], order: Mapping[str, Sequence[str]]) -> None:
    page.locator(ITEM).nth(len(order["rank"]) - 1).wait_for()
    for place, name in enumerate(order["rank"]):
        if order_seen(page, {})["rank"][place] == name:
            continue
        start = page.locator(f"{ITEM}[data-ranker-id='{name}']").bounding_box()
        end = page.locator(ITEM).nth(place).bounding_box()
        assert start is not None
        assert end is not None
        middle = start["x"] + start["width"] / 2
        page.mouse.move(middle, start["y"] + start["height"] / 2)
        page.mouse.down()
        page.mouse.move(middle, start["y"] + start["height"] / 2 - 12, steps=4)
        page.mouse.move(middle, end["y"] + 4, steps=20)
        page.wait_for_timeout(500)  # others make room
        page.mouse.up()
        page.wait_for_timeout(1000)  # it falls into its place
    assert order_seen(page, {}) == order


def order_seen(page: "Page", _data: Mapping[str, Any]) -> dict[str, list[str]]:
    page.locator(ITEM).first.wait_for()
    return {"rank": [item.get_attribute("data-ranker-id") or "" for item in page.locator(ITEM).all()]}


def make_rating(draw: random.Random) -> tuple[dict[str, Any], int]:
    stars = draw.choice(sorted(URGENT))
    return {"text": filled(draw, URGENT[stars])}, stars


def click_star(page: "Page", _data: Mapping[str, Any], stars: int) -> None:
    page.locator(STAR).nth(stars - 1).click()


def stars_seen(page: "Page", _data: Mapping[str, Any]) -> int:
    return page.locator(f"{STAR}[aria-checked=true]").count()


def make_path(draw: random.Random) -> tuple[dict[str, Any], list[list[str]]]:
    path = draw.choice(sorted(TOPICS))
    return {"text": filled(draw, TOPICS[path])}, [list(path)]


def tick_path(page: "Page", _data: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> None:
    page.locator(".ant-tree-select").wait_for()
    page.wait_for_timeout(1000)
    while (suggested := page.locator(".ant-select-selection-item-remove")).count():  # by the cold start
        suggested.first.click()
        page.wait_for_timeout(300)
    if not page.locator(".htx-taxonomy-dropdown").is_visible():
        page.get_by_text("Click to add...").click(force=True)  # a box for typing lies over it
    for *outer, last in paths:
        nodes = [page.locator(NODE).filter(has=page.get_by_text(step, exact=True)) for step in (*outer, last)]
        for node in nodes[:-1]:
            if (closed := node.locator(".ant-select-tree-switcher_close")).count():
                closed.click()
        nodes[-1].locator(".ant-select-tree-checkbox").click()
    page.keyboard.press("Escape")


def paths_seen(page: "Page", _data: Mapping[str, Any]) -> list[list[str]]:
    return [shown.split(" / ") for shown in page.locator(".ant-select-selection-item-content").all_inner_texts()]


QUESTIONS = {
    "pairwise": Question(
        {"from_name": "comparison", "to_name": "comparison", "type": "pairwise", "value": "selected"},
        make_pair,
        choose_side,
        chosen_side,
    ),
    "ranker": Question(
        {"from_name": "rank", "to_name": "answers", "type": "ranker", "value": "ranker"},
        make_ranking,
        put_in_order,
        order_seen,
    ),
    "rating": Question(
        {"from_name": "urgency", "to_name": "text", "type": "rating", "value": "rating"},
        make_rating,
        click_star,
        stars_seen,
    ),
    "taxonomy": Question(
        {"from_name": "topic", "to_name": "text", "type": "taxonomy", "value": "taxonomy"},
        make_path,
        tick_path,
        paths_seen,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("template", sorted(QUESTIONS))
def test_an_answer_is_given_learned_shown_and_accepted(
    browser: "Browser", studio: LocalStudio, tmp_path: Path, template: str
) -> None:
    question, draw = QUESTIONS[template], random.Random(5)
    tasks: list[dict[str, Any]] = []
    truth = []
    for number in range(LABELED + WAITING):
        data, answer = question.make(draw)
        truth.append((data, answer))
        region = {**question.region, "value": {question.region["value"]: answer}}
        tasks.append({"data": data, **({"annotations": [{"result": [region]}]} if number < LABELED else {})})
    with connected_loop(studio, tmp_path, template, config_of(template), tasks, audit_after_training=False) as loop:
        plan = plan_of(loop.project)
        waiting = {task.id: task.data for task in loop.open_tasks()}
        right = {task_id: _answer_to(data, truth) for task_id, data in waiting.items()}
        texts = [plan.text(data) for data in waiting.values()]
        splits = dict(zip(waiting, splits_of(loop.services, loop.project, texts), strict=True))
        by_hand, *others = [task_id for task_id in waiting if splits[task_id] is Split.TRAIN]
        page = logged_in(browser, studio)
        loop.show(page, by_hand)
        page.wait_for_timeout(1000)
        question.give(page, waiting[by_hand], right[by_hand])
        keep(page, f"answers-{template}-by-hand")
        submit(page)
        (given,) = _stored(loop.services.studio, loop.project.id, by_hand)
        assert given["value"] == {question.region["value"]: right[by_hand]}

        training = TrainJob.by_settings(loop.services, "command").model_copy(update={"method": Method.REGRESSION})
        requested, _ = training.request(loop.services, loop.project.id)
        job = loop.backend.finish(loop.services, requested)

        version = job.result["model_version"]
        assert job.result["is_promoted"] is True, job.result["gate"]["reason"]
        (served,) = plan.controls
        assert loop.rows()[by_hand].targets[served.name] == served.answer([given], plan.text(waiting[by_hand])).target
        pushed = {task_id: loop.prediction(task_id, version)["result"] for task_id in others}
        wanted = {task_id: {question.region["value"]: right[task_id]} for task_id in others}
        well = [task_id for task_id in others if [each["value"] for each in pushed[task_id]] == [wanted[task_id]]]
        assert len(well) >= 0.6 * len(others), f"{len(well)} of {len(others)} pre-labels are right"
        shown = well[0]
        loop.show(page, shown)
        page.wait_for_timeout(2000)
        keep(page, f"answers-{template}-pre-label")
        assert question.seen(page, waiting[shown]) == right[shown]
        submit(page)
        assert loop.event_of(shown).prelabel is PrelabelOutcome.ACCEPTED
        (stored,) = _stored(loop.services.studio, loop.project.id, shown)
        (sent,) = pushed[shown]
        assert (stored["from_name"], stored["value"]) == (sent["from_name"], sent["value"])


def _answer_to(data: Mapping[str, Any], truth: Sequence[tuple[dict[str, Any], Any]]) -> Any:
    return next(answer for made, answer in truth if all(data[name] == each for name, each in made.items()))


def _stored(studio: Any, project_id: int, task_id: int) -> list[Any]:
    (task,) = studio.tasks_by_id(project_id, [task_id])
    return list(task.annotations[0].result)
