"""Experts mend drafts in a real Label Studio, and a real language model goes on from what they preferred."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_backend.demo.backend import SPLIT
from ml_backend.domain.job import Job
from ml_backend.domain.model import Method
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL
from ml_backend.workflows.jobs.kinds.train import TrainJob
from tests.backend_process import command
from tests.bank_questions import prompts, written
from tests.e2e.loops import Loop, config_of, connected_loop

CLOSING = "Can I do anything else?"
COPIES, MENDED = 4, 24
LEARNING = {"learning_rate": "1e-3", "epochs": "12", "max_new_tokens": "40"}
PREFERRING = {"epochs": "2", "max_new_tokens": "40"}


@pytest.mark.long
def test_experts_mend_drafts_and_the_model_goes_on_from_them(studio: LocalStudio, tmp_path: Path) -> None:
    """They have come to end every response with a question, which none had that the first version learned from."""
    asked = prompts(COPIES)
    is_train = {prompt: SPLIT.split_of(prompt) is Split.TRAIN for prompt, _ in asked}
    waiting = [prompt for prompt, _ in asked if is_train[prompt]][-MENDED:]
    tasks: list[dict[str, Any]] = []
    for prompt, response in asked:
        result = written(response if is_train[prompt] else f"{response} {CLOSING}")
        tasks.append({"data": {"prompt": prompt}, "annotations": [] if prompt in waiting else [{"result": result}]})
    settings = {"text_base_model": DEFAULT_TEXT_BASE_MODEL, "draft_budget_s": 10.0}
    with connected_loop(studio, tmp_path, "Closings", config_of("generation"), tasks, **settings) as loop:
        first = _train(loop, Method.LORA, LEARNING)
        version = first.result["model_version"]
        assert first.result["is_promoted"] is True, first.result["gate"]["reason"]
        drafts = {task.data["prompt"]: _mend(loop, task.id, version) for task in loop.open_tasks()}
        assert drafts.keys() == set(waiting)

        exported = _exported(loop, tmp_path / "pairs.jsonl")
        assert {pair["prompt"]: pair for pair in exported} == {
            prompt: {"prompt": prompt, "chosen": f"{draft} {CLOSING}", "rejected": draft}
            for prompt, draft in drafts.items()
        }

        second = _train(loop, Method.DPO, PREFERRING)
        better, gate = second.result["model_version"], second.result["gate"]
        assert second.result["preferences"]["from"] == version
        assert second.result["preferences"]["pairs"]["train"] == MENDED
        assert second.result["metrics"]["validation"]["reward_accuracy"] == 1
        assert gate["reason"].startswith("by pairs: ")
        serving = loop.services.versions.champion(loop.project.ref.key)
        assert serving is not None
        assert second.result["is_promoted"] is True, gate["reason"]
        assert serving.name == better


def _train(loop: Loop, method: Method, overrides: Mapping[str, str]) -> Job:
    options = loop.services.options
    wanted = TrainJob(
        trigger="command",
        method=method,
        base_model=options.models.base_model,
        seed=options.seed,
        overrides=dict(overrides),
    )
    job, _ = wanted.request(loop.services, loop.project.id)
    return loop.backend.finish(loop.services, job)


def _mend(loop: Loop, task_id: int, version: str) -> str:
    """Submit the draft with the closing after it, as the editor would, and return the draft."""
    prediction = loop.prediction(task_id, version)
    ((draft,),) = [region["value"]["text"] for region in prediction["result"]]
    loop.services.studio.submit_annotation(
        task_id,
        {"result": written(f"{draft} {CLOSING}"), "lead_time": 9.0, "parent_prediction": prediction["id"]},
    )
    return str(draft)


def _exported(loop: Loop, out: Path) -> list[Any]:
    options = loop.services.options
    asked = ["export", "--project", str(loop.project.id), "--format", "preferences", "--out", str(out)]
    done = command(options.home, *asked, environment=options.environment())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
