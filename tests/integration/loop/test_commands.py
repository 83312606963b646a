"""The commands on files, with no server anywhere: a real child process, a real registry, a tiny base model."""

import gzip
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_backend.demo.tickets import load_tickets
from ml_backend.storage.database import open_database
from tests.backend_process import command, command_error, command_result
from tests.integration.tickets import CONFIG, source_of, write_export
from tests.running import until
from tests.studio import choice
from tests.tiny_models import save_tiny_model

ROWS = 200
EPOCHS = 6
"""Takes long enough to be caught at work, and not much longer."""
TIMEOUT_S = 240.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Label Studio export of tickets, a tiny base model, and a snapshot of the export."""
    folder = tmp_path_factory.mktemp("files")
    write_export(folder / "tickets.json", rows=ROWS)
    save_tiny_model("bert", folder / "tiny")
    made = _json(
        folder,
        "export",
        *source_of(folder / "tickets.json"),
        "--split",
        "0.6,0.2,0.2",
        "--out",
        str(folder / "snapshot"),
    )
    assert sum(made["counts"].values()) == ROWS
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> dict[str, Any]:
    """What `train` said of a version trained on the snapshot."""
    return _json(files, "train", *_training(files), "--set", "epochs=2", "--out", str(files / "model"))


def test_the_same_export_gives_the_same_snapshot_and_writes_nothing(files: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in (files / "snapshot").iterdir())

    again = _json(
        files, "export", *source_of(files / "tickets.json"), "--split", "0.6,0.2,0.2", "--out", str(files / "snapshot")
    )

    assert again["path"] == str(files / "snapshot")
    assert sorted((path, path.stat().st_mtime_ns) for path in (files / "snapshot").iterdir()) == before


def test_what_a_label_config_asks_for_and_is_not_served_is_said(files: Path) -> None:
    behind = '<Text name="file" value="$file" valueType="url"/><Rating name="stars" toName="file"/>'
    (files / "more.xml").write_text(CONFIG.read_text().replace("</View>", f"{behind}</View>"))
    source = ("--studio-export", str(files / "tickets.json"), "--config", str(files / "more.xml"))

    done = command(files / "home", "export", *source, "--format", "rows", "--out", str(files / "rows.jsonl"))

    assert done.returncode == 0
    assert "not served: <Rating name='stars'> is about <Text name='file' valueType=\"url\">" in done.stderr


def test_train_reports_both_splits_the_gate_and_where_the_version_is(files: Path, trained: dict[str, Any]) -> None:
    assert trained["model_version"] == "tickets-0-v1"
    assert trained["model_dir"] == str(files / "model")
    assert trained["method"] in ("regression", "lora")
    assert trained["metrics"]["test"]["rows"] == trained["gate"]["rows"] > 0
    assert trained["gate"]["champion"].startswith("tickets-0-cold-start-")
    assert trained["is_promoted"] == trained["gate"]["promote"]
    assert (files / "model" / "bundle.json").is_file()


def test_train_says_what_the_base_model_cannot_read(files: Path, trained: dict[str, Any]) -> None:
    said = [warning for warning in trained["warnings"] if "cannot read these texts well" in warning]

    assert len(said) == 1
    assert said[0].startswith(f"{files / 'tiny'} ")
    assert "set LABELLOOP_BASE_MODEL to a model that knows their language" in said[0]


def test_evaluate_agrees_with_the_gate_about_the_test_rows(files: Path, trained: dict[str, Any]) -> None:
    report = _json(files, "evaluate", "--model-dir", str(files / "model"), "--snapshot", str(files / "snapshot"))
    by_version = _json(files, "evaluate", "--model", trained["model_version"], "--snapshot", str(files / "snapshot"))

    assert report == by_version
    assert report["overlap"] == 0
    assert report["rows"] == trained["gate"]["rows"]
    assert report["macro_f1"] == pytest.approx(trained["metrics"]["test"]["macro_f1"])
    assert sum(entry["support"] for entry in report["per_class"]) == report["rows"]


def test_evaluate_says_which_rows_of_an_export_were_trained_on(files: Path, trained: dict[str, Any]) -> None:
    report = _json(files, "evaluate", "--model-dir", trained["model_dir"], *source_of(files / "tickets.json"))
    counts = json.loads((files / "snapshot" / "manifest.json").read_text())["counts"]

    assert report["rows"] == ROWS
    assert report["overlap"] == counts["train"]
    assert "trained on" in report["warnings"][0]


def test_predict_answers_every_task_in_order_and_ready_for_an_import(files: Path, trained: dict[str, Any]) -> None:
    texts = ["where is my parcel", "", "I want my money back", "  "]
    tasks = files / "tasks.json"
    tasks.write_text(json.dumps([{"data": {"text": text}} for text in texts]))

    done = command(files / "home", "predict", "--model-dir", trained["model_dir"], "--tasks", str(tasks))
    predicted = json.loads(done.stdout)

    assert [task["data"]["text"] for task in predicted] == texts
    assert [bool(task["predictions"][0]["result"]) for task in predicted] == [True, False, True, False]
    assert {task["predictions"][0]["model_version"] for task in predicted} == {"tickets-0-v1"}
    assert "2 of 4 tasks got no prediction" in done.stderr


def test_predict_hands_tasks_back_as_they_came(files: Path, trained: dict[str, Any]) -> None:
    old = {"id": "x-7", "predictions": [3], "meta": {"k": None}, "data": {"text": "where is my parcel", "n": 2**70}}
    items = [
        old | {"annotations": [{"result": []}], "drafts": [{"id": 1}]},
        {"text": "a \ud83d b"},
        {"data": {"x": math.nan}},
    ]
    tasks = files / "tasks.jsonl.gz"
    tasks.write_bytes(gzip.compress("\n".join(map(json.dumps, items)).encode()))

    done = command(files / "home", "predict", "--model-dir", trained["model_dir"], "--tasks", str(tasks))
    found = json.loads(done.stdout)

    assert [list(item) for item in found] == [list(items[0]), ["data", "predictions"], ["data", "predictions"]]
    assert [len(item.pop("predictions")) for item in found] == [1, 1, 1]
    del items[0]["predictions"]
    assert found == [items[0], {"data": {"text": "a \ufffd b"}}, {"data": {"x": None}}]
    assert "read as U+FFFD: 1" in done.stderr
    assert "read as null: 1" in done.stderr


@pytest.mark.long
def test_predict_in_shards_says_what_predict_says(files: Path, trained: dict[str, Any]) -> None:
    tasks, out = files / "many.jsonl", files / "shards"
    lines = [json.dumps({"id": number, "data": {"text": f"where is parcel {number}"}}) for number in range(300)]
    tasks.write_text("\n".join([*lines, "{broken", '{"text": ""}']))
    options = ["--model-dir", trained["model_dir"], "--tasks", str(tasks)]

    refused = command_error(files / "home", "predict", *options, "--workers", "2")
    done = command(
        files / "home", "predict", *options, "--out", str(out), "--format", "jsonl", "--workers", "2", "--json"
    )

    assert "--workers found without --format" in refused
    assert done.returncode == 1
    assert "no tasks, and left out: 1; all others are written" in done.stderr
    assert "1 of 301 tasks got an empty prediction: no field that the version reads holds a text" in done.stderr
    assert json.loads(done.stdout)["rows"] == 301
    shards = [json.loads(line) for path in sorted(out.glob("part-*")) for line in path.read_text("utf-8").splitlines()]
    tasks.write_text("\n".join(lines))
    alone = json.loads(command(files / "home", "predict", *options).stdout)
    assert [task["id"] for task in shards[:300]] == list(range(300))
    choices = [[task["predictions"][0]["result"][0]["value"] for task in some[:300]] for some in (shards, alone)]
    assert choices[0] == choices[1]


def test_report_forecasts_what_a_target_costs_and_writes_a_page(files: Path) -> None:
    environment = {"LABELLOOP_BASE_MODEL": str(files / "tiny")}
    source = source_of(files / "tickets.json")

    report = command_result(
        files / "home", "report", *source, "--target", "0.9", "--out", str(files / "report"), environment=environment
    )
    refused = command_error(files / "home", "report", *source, "--target", "90")

    assert report["forecast"]["target"] == 0.9
    assert len(report["forecast"]["labels"]) == 3
    assert {"labels", "human_s", "macro_f1", "low", "high"} <= report["rounds"][-1].keys()
    assert report["rounds"][-1]["labels"] == ROWS
    assert report["controls"][0]["forecast_words"] in (files / "report" / "report.html").read_text(encoding="utf-8")
    assert "--target 90 found; wanted an F1 above 0 and at most 1" in refused


def test_models_list_names_the_version_and_its_standing(files: Path, trained: dict[str, Any]) -> None:
    (version,) = _json(files, "models", "list")

    assert version["name"] == trained["model_version"]
    assert version["is_champion"] == trained["is_promoted"]


@pytest.mark.parametrize("format_name", ["rows", "csv"])
def test_export_writes_every_reviewed_row_in_a_named_format(files: Path, format_name: str) -> None:
    out = files / f"rows.{format_name}"

    made = _json(files, "export", *source_of(files / "tickets.json"), "--format", format_name, "--out", str(out))

    assert (made["path"], made["rows"], made["left_out"], made["without_row"]) == (str(out), ROWS, {}, 0)
    assert load_tickets()[0].text[:20] in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", [["--split", "1,0,0"], ["--format", "rows"], ["--format", "csv"]])
def test_export_names_every_task_and_answer_that_it_leaves_out(tmp_path: Path, form: list[str]) -> None:
    config = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text"><Choice value="a"/>
        <Choice value="b"/></Choices><Choices name="tags" toName="text" choice="multiple" allowNested="true">
        <Choice value="c"/></Choices></View>"""
    answers = {1: ("topic", ["gone"]), 2: ("topic", ["a", "b"]), 3: ("tags", [["c"]]), 4: ("tags", "c")}
    ticked = {
        n: choice("", control=control)[0] | {"value": {"choices": which}} for n, (control, which) in answers.items()
    }
    tasks = [
        {"id": number, "data": {"text": f"text {number}"}, "annotations": [{"id": number, "result": [region]}]}
        for number, region in ticked.items()
    ]
    (tmp_path / "config.xml").write_text(config)
    (tmp_path / "tasks.json").write_text(json.dumps([*tasks, {"id": 5, "data": {"text": "x"}, "annotations": []}]))
    source = ["--studio-export", str(tmp_path / "tasks.json"), "--config", str(tmp_path / "config.xml")]

    done = command(tmp_path / "home", "export", *source, *form, "--out", str(tmp_path / "out"), "--json")

    told = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert told == [
        "left out: 1 task that nobody annotated (5)",
        "left out: 1 task without an answer that counts (4)",
        "left out: 1 answer to 'topic' with a label that the label config lacks: 'gone' (1) (task 1)",
        "left out: 1 answer to 'tags' that cannot be read (task 4)",
        "left out: 1 answer to 'topic' with different choices where one was asked for (task 2)",
    ]
    found = json.loads(done.stdout)["reasons"]
    assert [(each["reason"], each["control"], each["task_ids"]) for each in found] == [
        ("not_annotated", "", [5]),
        ("no_answer", "", [4]),
        ("unknown_label", "topic", [1]),
        ("unreadable", "tags", [4]),
        ("contradictory", "topic", [2]),
    ]


@pytest.mark.long
def test_a_training_whose_process_is_killed_goes_on_by_itself(files: Path, tmp_path: Path) -> None:
    with _training_at_work(files, tmp_path, epochs=EPOCHS) as (process, job):
        os.kill(job["pid"], signal.SIGKILL)
        _, notes = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 0, notes
    (after,) = command_result(tmp_path, "jobs", "list")
    assert (after["id"], after["state"], after["attempt"]) == (job["id"], "succeeded", 2)
    assert [model["name"] for model in command_result(tmp_path, "models", "list")] == ["tickets-0-v1"]


def test_a_training_that_was_given_up_says_so_and_can_be_resumed(files: Path, tmp_path: Path) -> None:
    with _training_at_work(files, tmp_path, epochs=EPOCHS, LABELLOOP_JOB_ATTEMPTS="1") as (process, job):
        os.kill(job["pid"], signal.SIGKILL)
        _, notes = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 1
    assert f"job {job['id']} failed: its process was killed by SIGKILL" in notes
    assert f"`labelloop jobs resume {job['id']}` tries again" in notes
    assert command_result(tmp_path, "models", "list") == []

    after = command_result(tmp_path, "jobs", "resume", str(job["id"]))

    assert (after["id"], after["state"], after["attempt"]) == (job["id"], "succeeded", 2)
    assert after["result"]["model_version"] == "tickets-0-v1"
    refused = command_error(tmp_path, "jobs", "resume", str(job["id"]))
    assert f"job {job['id']} is succeeded; only a job that failed or was abandoned can be resumed" in refused


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_cancels_a_training_and_leaves_nothing_half_written(
    number: signal.Signals, status: int, files: Path, tmp_path: Path
) -> None:
    with _training_at_work(files, tmp_path) as (process, job):
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT_S)
        until(lambda: not psutil.pid_exists(job["pid"]))

    assert process.returncode == status
    (after,) = command_result(tmp_path, "jobs", "list")
    assert after["state"] == "cancelled"
    assert after["id"] == job["id"]
    assert command_result(tmp_path, "models", "list") == []
    left = {path.name for path in (tmp_path / "jobs").iterdir()}
    assert left - {f"{job['id']}.loss.jsonl"} == {f"{job['id']}.log"}


@contextmanager
def _training_at_work(
    files: Path, home: Path, *, epochs: int = 100_000, **environment: str
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """A `labelloop train` in a home of its own, by default one that would take very long; and its job at work."""
    with subprocess.Popen(
        [sys.executable, "-m", "ml_backend", "train", *_training(files), "--set", f"epochs={epochs}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABELLOOP_HOME": str(home), **environment},
    ) as process:
        try:
            yield process, until(lambda: _job_at_work(home, process), "the training's work")
        finally:
            process.kill()  # where the test has failed before it ended


def _job_at_work(home: Path, process: "subprocess.Popen[str]") -> dict[str, Any] | None:
    assert process.poll() is None, f"the training never got to work: {process.communicate()}"
    if not (home / "labelloop.db").exists():
        return None
    with closing(open_database(f"sqlite:///{home / 'labelloop.db'}", lambda: datetime.now(UTC))) as database:
        jobs = [job for job in database.jobs.running() if job.pid and job.stage in ("comparing", "training")]
    return {"id": jobs[0].id, "pid": jobs[0].pid} if jobs else None


def _training(files: Path) -> list[str]:
    return ["--snapshot", str(files / "snapshot"), "--base-model", str(files / "tiny")]


def _json(files: Path, *arguments: str) -> Any:
    return command_result(files / "home", *arguments)
