"""The command line on prompts and responses: real child processes, and a small decoder that has read nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.tasks import template_path
from tests.backend_process import command
from tests.bank_questions import OVERRIDES, PAIRS, prompts, save_base, written

COPIES = 5
SETTINGS = [part for name, value in {**OVERRIDES, "epochs": "16"}.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, an export of answered prompts and a snapshot of it."""
    folder = tmp_path_factory.mktemp("files")
    save_base(folder / "base", has_chat_template=True)
    tasks = [
        {
            "id": number,
            "data": {"prompt": prompt},
            "annotations": [{"id": number, "completed_by": 1, "was_cancelled": False, "result": written(response)}],
        }
        for number, (prompt, response) in enumerate(prompts(COPIES), start=1)
    ]
    (folder / "export.json").write_text(json.dumps(tasks))
    answer(folder, "export", *_source(folder), "--split", "0.6,0.2,0.2", "--out", str(folder / "snapshot"))
    return folder


def _source(folder: Path) -> list[str]:
    return ["--studio-export", str(folder / "export.json"), "--config", str(template_path("generation"))]


def run(folder: Path, *arguments: str) -> Any:
    # With graphs, as in service: what is measured in a training is what is measured afterwards.
    environment = {"LABELLOOP_TEXT_BASE_MODEL": str(folder / "base"), "LABELLOOP_RUNTIME": "auto"}
    return command(folder / "home", *arguments, environment=environment)


def answer(folder: Path, *arguments: str) -> Any:
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trained(files: Path) -> dict[str, Any]:
    out = ["--out", str(files / "model")]
    return dict(answer(files, "train", "--snapshot", str(files / "snapshot"), *SETTINGS, *out))


def test_training_beats_the_base_model_and_says_by_how_much(trained: dict[str, Any]) -> None:
    assert (trained["method"], trained["is_promoted"]) == ("lora", True)
    assert trained["gate"]["metric"] == "ROUGE-L"
    assert trained["gate"]["challenger_score"] > 0.5 > trained["gate"]["champion_score"]
    validation, test = trained["metrics"]["validation"], trained["metrics"]["test"]
    assert validation["perplexity"] < validation["base_perplexity"]
    assert abs(validation["graph_difference"]) < 0.1
    assert validation["forgetting"] > 0
    assert test["rouge_l"] == pytest.approx(trained["gate"]["challenger_score"], abs=1e-3)
    assert test["perplexity"] < 5


def test_a_version_is_evaluated_on_the_test_rows(files: Path, trained: dict[str, Any]) -> None:
    found = answer(files, "evaluate", "--model-dir", str(files / "model"), "--snapshot", str(files / "snapshot"))

    for figure in ("rouge_l", "bleu", "perplexity"):
        assert found[figure] == pytest.approx(trained["metrics"]["test"][figure], rel=1e-3)
    assert found["overlap"] == 0


def test_the_figures_are_told_in_a_line(files: Path, trained: dict[str, Any]) -> None:
    done = run(files, "evaluate", "--model-dir", str(files / "model"), *_source(files))

    assert done.returncode == 0, done.stderr
    assert f"{trained['model_version']}: ROUGE-L 0." in done.stdout
    assert "word for word, perplexity 1." in done.stdout
    assert f"on {COPIES * len(PAIRS)} rows" in done.stdout
    assert "have a text that this version was trained on" in done.stderr


def test_tasks_of_a_file_get_drafts_in_their_order(files: Path, trained: dict[str, Any]) -> None:
    tasks = [{"id": 7, "data": {"prompt": "Who lost the pin 9?"}}, {"id": 8, "data": {"prompt": ""}}]
    (files / "tasks.json").write_text(json.dumps(tasks))

    done = run(files, "predict", "--model-dir", str(files / "model"), "--tasks", str(files / "tasks.json"))

    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    ((region,),) = [prediction["result"] for prediction in first["predictions"]]
    assert (first["id"], region["type"], region["from_name"]) == (7, "textarea", "instruction")
    assert region["value"]["text"][0].startswith(("We are sorry.", "Thank you for asking."))
    assert first["predictions"][0]["model_version"] == trained["model_version"]
    assert second["predictions"][0]["result"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "regression"], "'instruction' is answered with a text, which a regression cannot write"),
        (["--method", "qlora"], "cannot be loaded in 4 bits"),
        (["--set", "max_new_token=3"], "unknown training setting max_new_token"),
        (["--text-base-model", "/no/such/folder"], "is not a folder"),
        (["--set", "epochs=1", "--set", "learning_rate=-1"], "learning_rate is -1.0; wanted a value above 0"),
    ],
)
def test_a_training_that_cannot_be_done_says_why(files: Path, arguments: list[str], said: str) -> None:
    done = run(files, "train", "--snapshot", str(files / "snapshot"), *arguments)

    assert done.returncode != 0
    assert said in done.stderr


def test_texts_are_not_audited(files: Path) -> None:
    done = run(files, "audit", "--snapshot", str(files / "snapshot"))

    assert done.returncode != 0
    assert "an audit judges labels" in done.stderr


def test_a_version_goes_on_from_pairs_of_responses(files: Path, trained: dict[str, Any]) -> None:
    """Every response by heart is the one that people reject, so that all of what was learned has to turn."""
    pairs = files / "pairs"
    pairs.mkdir()
    split_of = SplitFractions(0.6, 0.2, 0.2).split_of
    for split in Split:
        lines = [
            json.dumps({"prompt": prompt, "chosen": f"Hello. {response}", "rejected": response})
            for prompt, response in prompts(COPIES)
            if split_of(prompt) is split
        ]
        (pairs / f"{split}.jsonl").write_text("\n".join(lines))
    rates = ["--set", "learning_rate=1e-2", "--set", "max_new_tokens=20", "--set", "epochs=3"]
    asked = ["train", "--snapshot", str(files / "snapshot"), "--method", "dpo", "--preferences", str(pairs)]

    found = answer(files, *asked, *rates)

    figures = found["metrics"]["validation"]
    assert (found["method"], found["preferences"]["from"]) == ("dpo", trained["model_version"])
    assert figures["preferred"] > figures["base_preferred"]
    assert figures["pairs"] == found["preferences"]["pairs"]["train"]
    assert "by pairs: " in found["gate"]["reason"]
    assert "on 20 held-out pairs" in found["gate"]["reason"]
    refused = run(files, *asked[:3], "--from", trained["model_version"])
    assert "--from and --preferences go with --method dpo" in refused.stderr
