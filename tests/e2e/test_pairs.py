"""Two answers compared: with the mouse, learned, shown as a pre-label, and submitted as it is."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.label_config import LEFT, RIGHT
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.labelstudio.plans import plan_of
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.splits import splits_of
from tests.browser import keep, logged_in
from tests.e2e.loops import Loop, config_of, connected_loop, submit

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
RUDE = (
    "That is your own fault, nobody here cares about {}.",
    "Stop writing to us about {}, we do not have time for this.",
    "Read the manual before you complain about {} again.",
    "You should have thought of {} before you bought it.",
)
THINGS = ("the parcel", "the refund", "a new lamp", "the password", "the invoice", "another charger", "your order")
FIELDS = {LEFT: "answer1", RIGHT: "answer2"}
AROUND = "xpath=ancestor::*[contains(@class, 'bg-primary-background')]"
"""The editor gives this class to a tag around the side that is chosen."""


def pair(number: int) -> tuple[dict[str, str], str]:
    draw = random.Random(number)
    polite, rude = (f"{draw.choice(texts).format(draw.choice(THINGS))} ({number} 🪁)" for texts in (POLITE, RUDE))
    better = draw.choice((LEFT, RIGHT))
    first, second = (polite, rude) if better == LEFT else (rude, polite)
    return {"prompt": f"{draw.choice(PROMPTS)} {number}", "answer1": first, "answer2": second}, better


@pytest.mark.long
def test_a_comparison_is_made_learned_shown_and_accepted(
    browser: "Browser", studio: LocalStudio, tmp_path: Path
) -> None:
    tasks: list[dict[str, Any]] = []
    truth = {}
    for number in range(LABELED + WAITING):
        data, better = pair(number)
        truth[data["prompt"]] = better
        region = {"from_name": "comparison", "to_name": "comparison", "type": "pairwise", "value": {"selected": better}}
        tasks.append({"data": data, **({"annotations": [{"result": [region]}]} if number < LABELED else {})})
    with connected_loop(studio, tmp_path, "Answers", config_of("pairwise"), tasks, audit_after_training=False) as loop:
        waiting = {task.id: task.data for task in loop.open_tasks()}
        texts = [plan_of(loop.project).text(data) for data in waiting.values()]
        splits = dict(zip(waiting, splits_of(loop.services, loop.project, texts), strict=True))
        by_hand, shown, *_ = [task_id for task_id in waiting if splits[task_id] is Split.TRAIN]
        page = logged_in(browser, studio)
        loop.show(page, by_hand)
        better = FIELDS[truth[waiting[by_hand]["prompt"]]]
        page.get_by_text(waiting[by_hand][better]).click()
        submit(page)

        requested, _ = TrainJob.by_settings(loop.services, "command").request(loop.services, loop.project.id)
        job = loop.backend.finish(loop.services, requested)

        version = job.result["model_version"]
        assert job.result["is_promoted"] is True, job.result["gate"]["reason"]
        assert dict(loop.rows()[by_hand].targets) == {"comparison": truth[waiting[by_hand]["prompt"]]}
        (pushed,) = loop.prediction(shown, version)["result"]
        assert pushed["value"] == {"selected": truth[waiting[shown]["prompt"]]}
        loop.show(page, shown)
        assert _seen(page, waiting[shown]) == pushed["value"]["selected"]
        keep(page, "pairs")
        submit(page)
        assert loop.event_of(shown).prelabel is PrelabelOutcome.ACCEPTED
        (stored,) = _stored(loop, shown)
        assert (stored["from_name"], stored["value"]) == (pushed["from_name"], pushed["value"])


def _seen(page: "Page", data: dict[str, str]) -> str:
    """The side that the editor shows as chosen."""
    page.wait_for_timeout(2000)
    (chosen,) = (side for side, field in FIELDS.items() if page.get_by_text(data[field]).locator(AROUND).count())
    return chosen


def _stored(loop: Loop, task_id: int) -> list[Any]:
    (task,) = loop.services.studio.tasks_by_id(loop.project.id, [task_id])
    return list(task.annotations[0].result)
