"""Supervised fine-tuning through the whole loop: a real Label Studio, a real browser, the backend as a process."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import SPLIT, BackendProcess, demo_settings, running_backend
from ml_backend.domain.event import AnnotationEvent
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.job import Job
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.http import StudioHttp
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.connect import create_and_connect
from ml_backend.workflows.exporting.snapshots import newest_snapshot
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.promoting.gate import compare_versions
from ml_backend.workflows.services import Services
from tests.bank_questions import OVERRIDES, PAIRS, save_base
from tests.browser import keep, logged_in
from tests.studio import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COPIES, WAITING = 6, 6
EVENT_S = 10.0
MENDED = "Thank you for asking.\nA colleague will see to it today."


@dataclass(frozen=True)
class Loop:
    """A connected project most of whose prompts an expert has answered.

    Attributes:
        waiting: tasks without a response, by prompt.
    """

    services: Services
    backend: BackendProcess
    project: Project
    waiting: dict[str, int]

    def draft(self, task_id: int, version: str) -> tuple[str, float]:
        """A version's draft for a task and its score, as Label Studio holds them."""
        http = StudioHttp(self.services.studio.url, TOKEN, timeout_s=30.0)
        found = [each for each in http.get("/api/predictions", {"task": task_id}) if each["model_version"] == version]
        http.close()
        (prediction,) = found
        ((text,),) = [region["value"]["text"] for region in prediction["result"]]
        return text, prediction["score"]


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, tmp_path: Path) -> Iterator[Loop]:
    base_model = save_base(tmp_path / "base", has_chat_template=True)
    settings = demo_settings(
        tmp_path / "backend",
        port=free_port(),
        studio_url=studio.url,
        studio_token=studio.token,
        retrain_after=0,
        text_base_model=base_model,
        draft_budget_s=10.0,
    )
    services = build_services(settings)
    prompts = [(f"{pair.prompt[:-1]} {copy}?", pair.response) for copy in range(COPIES) for pair in PAIRS]
    waiting = [prompt for prompt, _ in prompts if SPLIT.split_of(prompt) is Split.TRAIN][-WAITING:]
    with running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend:
        backend.wait_until_ready()
        label_config = template_path("generation").read_text(encoding="utf-8")
        tasks = [_task(prompt, None if prompt in waiting else response) for prompt, response in prompts]
        connection = create_and_connect(services, "Bank questions", label_config, tasks)
        if connection.job is not None:
            backend.finish(services, connection.job)
        open_tasks = services.studio.tasks_without_prediction(connection.project.id, "no such version")
        yield Loop(services, backend, connection.project, {task.data["prompt"]: task.id for task in open_tasks})
    services.close()


def _task(prompt: str, response: str | None) -> dict[str, Any]:
    result = [{"from_name": "instruction", "to_name": "prompt", "type": "textarea", "value": {"text": [response]}}]
    return {"data": {"prompt": prompt}, "annotations": [{"result": result}] if response else []}


def test_a_model_drafts_responses_that_an_expert_mends_and_learns_from_them(
    browser: "Browser", studio: LocalStudio, loop: Loop
) -> None:
    first = _train(loop, epochs=20)
    version = first.result["model_version"]
    assert first.result["is_promoted"] is True, first.result["gate"]["reason"]
    assert first.result["gate"]["metric"] == "ROUGE-L"
    assert first.result["metrics"]["test"]["rouge_l"] > 0.6

    prompt, task_id = next(iter(loop.waiting.items()))
    page = logged_in(browser, studio)
    draft = _see_the_draft(page, studio, loop, task_id, version)
    _mend_and_submit(page, draft)

    event = _event_of(loop, task_id)
    assert event.model_version == version
    assert event.prelabel is PrelabelOutcome.CHANGED

    second = _train(loop, epochs=2)
    rows = {
        row.task_id: row for row in SnapshotFolder(newest_snapshot(loop.services, loop.project).path).rows(Split.TRAIN)
    }
    assert rows[task_id].input == {"prompt": prompt}
    assert rows[task_id].targets == {"instruction": MENDED}

    compared = compare_versions(loop.services, version, second.result["model_version"], drafts=2)
    assert compared.decision.metric == "ROUGE-L"
    assert len(compared.drafts) == 2
    for each in compared.drafts:
        base, champion, challenger = each.writings
        assert [writing.writer for writing in each.writings] == [
            "base model",
            version,
            second.result["model_version"],
        ]
        assert base.response != champion.response != challenger.response
        assert base.rouge_l < champion.rouge_l


def _train(loop: Loop, *, epochs: int) -> Job:
    options = loop.services.options
    wanted = TrainJob(
        trigger="command",
        base_model=options.models.base_model,
        seed=options.seed,
        overrides={**OVERRIDES, "epochs": str(epochs)},
    )
    job, _ = wanted.request(loop.services, loop.project.id)
    return loop.backend.finish(loop.services, job)


def _see_the_draft(page: "Page", studio: LocalStudio, loop: Loop, task_id: int, version: str) -> str:
    """The draft, which the page shows in ink that can be told from its ground."""
    draft, score = loop.draft(task_id, version)
    page.goto(f"{studio.url}/projects/{loop.project.id}/data?task={task_id}")
    page.get_by_text(f"{score:.2%}").wait_for()
    shown = page.get_by_test_id("htx-textbox-content")
    shown.wait_for()
    assert shown.inner_text().strip() == draft
    assert _contrast(page) > 4.5
    keep(page, "generation-1-draft")
    return draft


def _contrast(page: "Page") -> float:
    """Contrast of the draft's ink to its ground, from 1 to 21, as the web's accessibility guidelines count it."""
    colours = page.get_by_test_id("htx-textbox-content").evaluate(
        """element => {
          const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
          const rgb = colour => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
          };
          let ground = element;
          while (/rgba\\(.*, 0\\)|transparent/.test(getComputedStyle(ground).backgroundColor)) {
            ground = ground.parentElement;
          }
          return [rgb(getComputedStyle(element).color), rgb(getComputedStyle(ground).backgroundColor)];
        }"""
    )
    light = []
    for colour in colours:
        parts = [c / 255 / 12.92 if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        light.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def _mend_and_submit(page: "Page", draft: str) -> None:
    page.get_by_test_id("htx-textbox-edit-button").click()
    box = page.locator("textarea:visible")
    assert box.input_value().strip() == draft
    box.fill(MENDED)
    keep(page, "generation-2-mended")
    page.get_by_role("button", name=re.compile("submit", re.IGNORECASE)).click()
    page.get_by_text("Update", exact=True).wait_for()


def _event_of(loop: Loop, task_id: int) -> AnnotationEvent:
    deadline = time.monotonic() + EVENT_S
    while time.monotonic() < deadline:
        for event in loop.services.database.events.history(loop.project.id).values():
            if event.task_id == task_id:
                return event
        time.sleep(0.1)
    raise AssertionError("the annotation's event never arrived at the backend")
