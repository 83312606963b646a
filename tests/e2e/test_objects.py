"""Hypertext and dialogues: marked with the mouse, learned, shown as pre-labels, and submitted as they are."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.domain.example import PrelabelOutcome, Span, Target, parts_of, spans_in
from ml_backend.domain.model import Method, ScoredTarget
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.labelstudio.plans import plan_of
from ml_backend.tasks import ServingPlan, serving_plan
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.splits import splits_of
from tests.browser import keep, logged_in, mark
from tests.e2e.loops import Loop, config_of, connected_loop, submit
from tests.kinds import KINDS, Example

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LABELED, WAITING = 200, 20
MARKS = re.compile(r"(</?)Labels")


@dataclass(frozen=True)
class Form:
    """A way to show the messages of the tests of kinds."""

    name: str
    shown: str
    marking: str

    def config(self) -> str:
        config = MARKS.sub(rf"\1{self.marking}", config_of("choices_and_entities"))
        return re.sub("<Text name[^>]*>", self.shown, config)

    def data(self, example: Example) -> dict[str, Any]:
        if self.marking == "HyperTextLabels":
            return {"page": f"<h1>Message 🪁</h1><p>{escape(example.text)}<br>Bye</p>"}
        asked = {"author": "Agent", "text": "Hello 👩‍🚀, what can I do for you?"}
        return {"talk": [asked, {"author": "Customer", "text": example.text}]}

    def targets(self, example: Example, text: str) -> dict[str, Target]:
        """The answers, with their places in the text that is read."""
        own = example.text.replace("\r\n", "\n") if self.marking == "HyperTextLabels" else example.text
        at, lost = text.index(own), len(example.text) - len(own)

        def moved(span: Span) -> Span:
            by = at - (lost if lost and span.start > example.text.index("\r\n") else 0)
            return Span(span.start + by, span.end + by, span.label)

        return {
            name: tuple(map(moved, spans_in(target))) if spans_in(target) else target
            for name, target in example.targets.items()
        }


FORMS = (
    Form("hypertext", '<HyperText name="text" value="$page"/>', "HyperTextLabels"),
    Form("dialogue", '<Paragraphs name="text" value="$talk" layout="dialogue"/>', "ParagraphLabels"),
)


def result(plan: ServingPlan, targets: Mapping[str, Target], text: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in region.items() if key != "score"}
        for each in plan.controls
        for region in each.regions(ScoredTarget(targets[each.name], 1.0, {}), text)
    ]


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_is_pushed_is_shown_and_stored_as_it_was(
    browser: "Browser", studio: LocalStudio, form: Form, tmp_path: Path
) -> None:
    examples = KINDS["choices_and_entities"].examples(LABELED + WAITING, seed=5)
    plan = serving_plan(parse_label_config(form.config()))
    tasks: list[dict[str, Any]] = [{"data": form.data(example)} for example in examples]
    truth = {}
    for number, (task, example) in enumerate(zip(tasks, examples, strict=True)):
        text = plan.text(task["data"])
        truth[text] = (example, form.targets(example, text))
        if number < LABELED:
            task["annotations"] = [{"result": result(plan, truth[text][1], text)}]
    with connected_loop(studio, tmp_path, form.name, form.config(), tasks, audit_after_training=False) as loop:
        assert plan_of(loop.project).fields == plan.fields
        waiting = {task.id: plan.text(task.data) for task in loop.open_tasks()}
        splits = dict(zip(waiting, splits_of(loop.services, loop.project, list(waiting.values())), strict=True))
        trained_on = [task_id for task_id in waiting if splits[task_id] is Split.TRAIN]
        by_hand = next(each for each in trained_on if _is_plain(*truth[waiting[each]], waiting[each]))
        page = logged_in(browser, studio)
        _annotate(page, loop, by_hand, truth[waiting[by_hand]][1], waiting[by_hand])

        training = TrainJob.by_settings(loop.services, "command").model_copy(update={"method": Method.REGRESSION})
        requested, _ = training.request(loop.services, loop.project.id)
        job = loop.backend.finish(loop.services, requested)

        version = job.result["model_version"]
        assert job.result["is_promoted"] is True, job.result["gate"]["reason"]
        assert dict(loop.rows()[by_hand].targets) == truth[waiting[by_hand]][1]
        shown = max(
            (each for each in trained_on if each != by_hand),
            key=lambda each: (len(loop.prediction(each, version)["result"]), not waiting[each].isascii()),
        )
        pushed = loop.prediction(shown, version)["result"]
        _see(page, loop, shown, pushed)
        keep(page, f"objects-{form.name}")
        submit(page)
        assert loop.event_of(shown).prelabel is PrelabelOutcome.ACCEPTED
        (task,) = loop.services.studio.tasks_by_id(loop.project.id, [shown])
        stored = task.annotations[0].result
        assert sorted(map(_essence, stored)) == sorted(map(_essence, pushed))


def _essence(region: Mapping[str, Any]) -> str:
    """The control, the place and the label.

    The editor fills in the XPath, which is pushed empty; in dialogues it writes the text anew, wrongly behind CR LF.
    """
    dropped = {"hypertextlabels": {"start", "startOffset", "end", "endOffset"}, "paragraphlabels": {"text"}}
    value = {key: each for key, each in region["value"].items() if key not in dropped.get(region["type"], ())}
    return json.dumps([region["from_name"], region["type"], value], sort_keys=True)


def _is_plain(example: Example, targets: Mapping[str, Target], text: str) -> bool:
    """True where every marked piece occurs once, so that it can be found on the screen by its characters."""
    pieces = [text[span.start : span.end] for target in targets.values() for span in spans_in(target)]
    return "\n" not in example.text and bool(pieces) and all(text.count(piece) == 1 for piece in pieces)


def _annotate(page: "Page", loop: Loop, task_id: int, targets: Mapping[str, Target], text: str) -> None:
    loop.show(page, task_id)
    page.wait_for_timeout(1000)  # hypertext is laid out in a frame of its own
    for target in targets.values():
        for part in parts_of(target):
            if isinstance(part, Span):
                mark(page, part.label, text[part.start : part.end])
            else:
                page.locator(f"input[name={part!r}]").check()
    submit(page)


def _see(page: "Page", loop: Loop, task_id: int, pushed: list[dict[str, Any]]) -> None:
    """The browser shows the very characters that were pushed, before anybody has touched the task."""
    loop.show(page, task_id)
    pieces = sorted(region["value"]["text"] for region in pushed if "text" in region["value"])
    assert pieces
    page.wait_for_timeout(2000)
    seen = [text for frame in page.frames for text in frame.locator(".htx-highlight").all_inner_texts()]
    assert sorted(map(str.strip, seen)) == pieces
