"""Supervised fine-tuning through the whole loop: a real Label Studio, a real browser, the backend as a process."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.demo.backend import SPLIT
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.job import Job
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.promoting.gate import compare_versions
from tests.bank_questions import OVERRIDES, prompts, save_base, written
from tests.browser import keep, logged_in
from tests.e2e.loops import Loop, config_of, connected_loop, submit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAITING = 6
MENDED = "Thank you for asking.\nA colleague will see to it today."


@dataclass(frozen=True)
class Case:
    """A base model, and what it learns from and how.

    Attributes:
        epochs: of the first training and of the second one.
    """

    base_model: Callable[[Path], str]
    copies: int
    overrides: Mapping[str, str]
    epochs: tuple[int, int]


CASES = {
    "tiny": Case(lambda folder: save_base(folder, has_chat_template=True), 6, OVERRIDES, (20, 2)),
    "SmolLM2": Case(lambda _: DEFAULT_TEXT_BASE_MODEL, 3, {"learning_rate": "1e-3", "max_new_tokens": "40"}, (12, 2)),
}


@pytest.fixture(params=["tiny", pytest.param("SmolLM2", marks=pytest.mark.long)])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, tmp_path: Path, case: Case) -> Iterator[Loop]:
    """An expert has answered most of the prompts."""
    base = case.base_model(tmp_path / "base")
    asked = prompts(case.copies)
    waiting = [prompt for prompt, _ in asked if SPLIT.split_of(prompt) is Split.TRAIN][-WAITING:]
    tasks = [
        {"data": {"prompt": prompt}, "annotations": [] if prompt in waiting else [{"result": written(response)}]}
        for prompt, response in asked
    ]
    settings = {"text_base_model": base, "draft_budget_s": 10.0}
    with connected_loop(studio, tmp_path, "Bank questions", config_of("generation"), tasks, **settings) as made:
        yield made


def test_a_model_drafts_responses_that_an_expert_mends_and_learns_from_them(
    browser: "Browser", studio: LocalStudio, loop: Loop, case: Case
) -> None:
    first = _train(loop, case.overrides, epochs=case.epochs[0])
    version = first.result["model_version"]
    assert first.result["is_promoted"] is True, first.result["gate"]["reason"]
    assert first.result["gate"]["metric"] == "ROUGE-L"
    assert first.result["metrics"]["test"]["rouge_l"] > 0.6

    task = loop.open_tasks()[0]
    page = logged_in(browser, studio)
    draft = _see_the_draft(page, loop, task.id, version)
    _mend_and_submit(page, draft)

    event = loop.event_of(task.id)
    assert event.model_version == version
    assert event.prelabel is PrelabelOutcome.CHANGED

    second = _train(loop, case.overrides, epochs=case.epochs[1])
    row = loop.rows()[task.id]
    assert (row.input, row.targets) == ({"prompt": task.data["prompt"]}, {"instruction": MENDED})

    compared = compare_versions(loop.services, version, second.result["model_version"], drafts=2)
    assert compared.decision.metric == "ROUGE-L"
    assert len(compared.drafts) == 2
    for each in compared.drafts:
        base, champion, challenger = each.writings
        writers = [writing.writer for writing in each.writings]
        assert writers == ["base model", version, second.result["model_version"]]
        assert base.response != champion.response != challenger.response
        assert base.rouge_l < champion.rouge_l


def _train(loop: Loop, overrides: Mapping[str, str], *, epochs: int) -> Job:
    options = loop.services.options
    wanted = TrainJob(
        trigger="command",
        base_model=options.models.base_model,
        seed=options.seed,
        overrides={**overrides, "epochs": str(epochs)},
    )
    job, _ = wanted.request(loop.services, loop.project.id)
    return loop.backend.finish(loop.services, job)


def _see_the_draft(page: "Page", loop: Loop, task_id: int, version: str) -> str:
    """The draft, which the page shows in ink that can be told from its ground."""
    prediction = loop.prediction(task_id, version)
    ((draft,),) = [region["value"]["text"] for region in prediction["result"]]
    loop.show(page, task_id)
    page.get_by_text(f"{prediction['score']:.2%}").wait_for()
    shown = page.get_by_test_id("htx-textbox-content")
    shown.wait_for()
    assert shown.inner_text().strip() == draft
    assert _contrast(page) > 4.5
    keep(page, "generation-1-draft")
    return str(draft)


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
    submit(page)
