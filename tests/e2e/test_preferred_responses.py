"""A real language model learns which of two ways to answer people prefer, by the commands alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.models.base.packaged import DEFAULT_TEXT_BASE_MODEL
from ml_backend.tasks import template_path
from tests.backend_process import command
from tests.bank_questions import ANSWERS, prompts, written

SPLIT = SplitFractions(0.6, 0.2, 0.2)
POLITE = "Thank you for asking. {} Is there anything else?"
COPIES = 3


@pytest.mark.long
def test_experts_answer_in_two_ways_and_the_model_learns_which_one_is_preferred(tmp_path: Path) -> None:
    """Both ways are right, so that the model may write either; people prefer the polite one."""
    asked = [
        (prompt, next(each for thing, each in ANSWERS.items() if thing in prompt)) for prompt, _ in prompts(COPIES)
    ]
    tasks: list[dict[str, Any]] = []
    pairs: dict[Split, list[dict[str, str]]] = {split: [] for split in Split}
    for number, (prompt, curt) in enumerate(asked, start=1):
        both = (curt, POLITE.format(curt))
        annotations = [
            {"id": 2 * number + place, "completed_by": place + 1, "was_cancelled": False, "result": written(response)}
            for place, response in enumerate(both)
        ]
        tasks.append({"id": number, "data": {"prompt": prompt}, "annotations": annotations})
        pairs[SPLIT.split_of(prompt)].append({"prompt": prompt, "chosen": both[1], "rejected": both[0]})
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (tmp_path / "pairs").mkdir()
    for split, lines in pairs.items():
        (tmp_path / "pairs" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = ["--studio-export", str(tmp_path / "export.json"), "--config", str(template_path("generation"))]
    snapshot = str(tmp_path / "snapshot")
    _answer(tmp_path, "export", *source, "--split", str(SPLIT), "--out", snapshot)
    settings = ["--set", "max_new_tokens=30", "--set", "learning_rate=1e-3", "--set", "epochs=4"]
    first = _answer(tmp_path, "train", "--snapshot", snapshot, *settings)
    assert first["is_promoted"] is True

    preferring = ["--method", "dpo", "--preferences", str(tmp_path / "pairs"), "--set", "max_new_tokens=30"]
    second = _answer(tmp_path, "train", "--snapshot", snapshot, *preferring)

    figures = second["metrics"]["validation"]
    assert figures["preferred"] > figures["base_preferred"]
    assert second["is_promoted"] is True, second["gate"]["reason"]
    (tmp_path / "tasks.json").write_text(json.dumps([{"id": 1, "data": {"prompt": asked[0][0]}}]))
    drafts = _answer(
        tmp_path, "predict", "--model", second["model_version"], "--tasks", str(tmp_path / "tasks.json"), as_json=False
    )
    assert "Is there anything else?" in json.dumps(drafts)


def _answer(folder: Path, *arguments: str, as_json: bool = True) -> Any:
    environment = {"LABELLOOP_TEXT_BASE_MODEL": DEFAULT_TEXT_BASE_MODEL}
    done = command(folder / "home", *arguments, *(["--json"] if as_json else []), environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
