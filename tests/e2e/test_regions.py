"""A choice per marked piece: marked and answered with the mouse, learned, shown as a pre-label, submitted as it is."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.domain.example import PrelabelOutcome, Span, Target, spans_in
from ml_backend.domain.model import Method, ScoredTarget
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.tasks import serving_plan
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.splits import splits_of
from tests.browser import keep, logged_in, mark
from tests.e2e.loops import config_of, connected_loop, submit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LABELED, WAITING = 200, 20
NAMES = {
    "Product": ("HomeHub Mini", "AirPress 300", "VoltBike S", "Lumo lamp", "GlowPad", "TrailPack"),
    "Company": ("Northwind", "Globex", "Umbrella", "Initech", "Contoso", "Wayne Corp"),
}
OPINIONS = {
    "Praised": ("{} works like a dream", "I love {}", "{} is excellent", "everyone adores {}"),
    "Criticised": ("{} broke after a week", "I regret {}", "{} is a disgrace", "nobody should trust {}"),
    "Mentioned": ("{} was in the parcel", "I asked about {}", "the letter mentions {}", "my order was for {}"),
}


def review(draw: random.Random) -> tuple[str, dict[str, Target]]:
    """A text with one name or two, which may come off differently, and the right answers."""
    text, marks, opinions = draw.choice(("🪁 ", "", "To be honest, ")), [], []
    labels = draw.sample(sorted(NAMES), draw.choice((1, 2)))
    for number, label in enumerate(labels):
        opinion, name = draw.choice(sorted(OPINIONS)), draw.choice(NAMES[label])
        before, after = draw.choice(OPINIONS[opinion]).split("{}")
        text += (", but " if number else "") + before
        place = len(text), len(text) + len(name)
        text += name + after
        marks.append(Span(*place, label))
        opinions.append(Span(*place, opinion))
    noise = "".join(draw.choices("abcdefgh", k=14))  # texts that resemble each other would share a split
    return f"{text} ({noise})", {"names": tuple(marks), "opinion": tuple(opinions)}


@pytest.mark.long
def test_an_answer_per_mark_is_pushed_shown_and_stored_as_it_was(
    browser: "Browser", studio: LocalStudio, tmp_path: Path
) -> None:
    plan, draw = serving_plan(parse_label_config(config_of("region_choice"))), random.Random(7)
    reviews = dict(review(draw) for _ in range(LABELED + WAITING))
    tasks: list[dict[str, Any]] = [{"data": {"text": text}} for text in reviews]
    for task in tasks[:LABELED]:
        text = task["data"]["text"]
        answers = {name: ScoredTarget(target, 1.0, {}) for name, target in reviews[text].items()}
        regions = plan.regions(answers, text)
        task["annotations"] = [{"result": [{k: v for k, v in each.items() if k != "score"} for each in regions]}]
    with connected_loop(
        studio, tmp_path, "regions", config_of("region_choice"), tasks, audit_after_training=False
    ) as loop:
        waiting = {task.id: plan.text(task.data) for task in loop.open_tasks()}
        splits = dict(zip(waiting, splits_of(loop.services, loop.project, list(waiting.values())), strict=True))
        by_hand, *trained_on = [task_id for task_id in waiting if splits[task_id] is Split.TRAIN]
        page = logged_in(browser, studio)
        loop.show(page, by_hand)
        text, truth = waiting[by_hand], reviews[waiting[by_hand]]
        for name, opinion in zip(spans_in(truth["names"]), spans_in(truth["opinion"]), strict=True):
            mark(page, name.label, text[name.start : name.end])
            # Answers are shown for the selected mark alone: the editor selects nothing by itself after a mark is drawn.
            page.locator(".htx-highlight").get_by_text(text[name.start : name.end], exact=True).click()
            page.locator(f"input[name={opinion.label!r}]").check()
            page.keyboard.press("Escape")
        keep(page, "regions-by-hand")
        submit(page)

        training = TrainJob.by_settings(loop.services, "command").model_copy(update={"method": Method.REGRESSION})
        requested, _ = training.request(loop.services, loop.project.id)
        job = loop.backend.finish(loop.services, requested)

        assert job.result["is_promoted"] is True, job.result["gate"]["reason"]
        assert dict(loop.rows()[by_hand].targets) == truth
        version = job.result["model_version"]
        shown = max(trained_on, key=lambda each: len(loop.prediction(each, version)["result"]))
        pushed = loop.prediction(shown, version)["result"]
        assert {region["from_name"] for region in pushed} == {"names", "opinion"}
        loop.show(page, shown)
        opinion = next(region for region in pushed if region["from_name"] == "opinion")
        page.locator(".htx-highlight").get_by_text(opinion["value"]["text"], exact=True).click()
        page.wait_for_timeout(500)
        assert page.locator(f"input[name={opinion['value']['choices'][0]!r}]").is_checked()
        keep(page, "regions-pre-label")
        page.keyboard.press("Escape")
        submit(page)
        assert loop.event_of(shown).prelabel is PrelabelOutcome.ACCEPTED
        (stored,) = loop.services.studio.tasks_by_id(loop.project.id, [shown])
        assert sorted(map(_essence, stored.annotations[0].result)) == sorted(map(_essence, pushed))


def _essence(region: Mapping[str, Any]) -> str:
    return json.dumps([region["id"], region["from_name"], region["type"], region["value"]], sort_keys=True)
