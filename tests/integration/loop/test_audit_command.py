"""`labelloop audit` on a snapshot of a small export: a real child process and a tiny base model."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.backend_process import command, command_error, command_result
from tests.integration.tickets import source_of, write_export

ROWS = 120


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny base model and a snapshot of tickets."""
    folder = tmp_path_factory.mktemp("files")
    write_export(folder / "tickets.json", rows=ROWS)
    labels = given_labels(folder)
    # Every eighth label is that of the ticket after it, so that there is something to find.
    wrong = [labels[(n + 1) % ROWS] if n % 8 == 0 else label for n, label in enumerate(labels)]
    write_tickets(folder, "tickets", wrong)
    return folder


@pytest.fixture(scope="module")
def audited(files: Path) -> dict[str, Any]:
    """What the first audit of the snapshot said."""
    return as_json(files, "audit", "--snapshot", str(files / "tickets"), "--out", str(files / "reports"))


def as_json(files: Path, *arguments: str) -> Any:
    return command_result(files / "home", *arguments)


def run(files: Path, *arguments: str) -> Any:
    return command(files / "home", *arguments)


def write_tickets(files: Path, name: str, labels: list[str], texts: list[str] | None = None) -> str:
    tasks = json.loads((files / "tickets.json").read_text(encoding="utf-8"))[: len(labels)]
    for position, (task, label) in enumerate(zip(tasks, labels, strict=True)):
        task["annotations"][0]["result"][0]["value"]["choices"] = [label]
        if texts:
            task["data"]["text"] = texts[position]
    (files / f"{name}.json").write_text(json.dumps(tasks), encoding="utf-8")
    as_json(files, "export", *source_of(files / f"{name}.json"), "--split", "0.6,0.2,0.2", "--out", str(files / name))
    return str(files / name)


def given_labels(files: Path) -> list[str]:
    tasks = json.loads((files / "tickets.json").read_text(encoding="utf-8"))
    return [task["annotations"][0]["result"][0]["value"]["choices"][0] for task in tasks]


def label_values(files: Path) -> list[str]:
    return sorted(set(given_labels(files)))


def test_the_result_has_every_issue_and_the_quality_of_every_judged_task(audited: dict[str, Any]) -> None:
    assert audited["rows"] == ROWS
    assert audited["seconds"] > 0
    assert audited["pushed"] is None
    assert set(audited["quality"]) <= {str(task) for task in range(1, ROWS + 1)}
    assert len(audited["quality"]) > ROWS / 2
    assert all(0 <= quality <= 1 for quality in audited["quality"].values())
    assert sum(audited["counts"].values()) == len(audited["issues"]) > 0
    for issue in audited["issues"]:
        assert {"task_id", "issue", "quality", "given", "suggested"} <= set(issue)


def test_three_reports_lie_in_the_folder_that_was_named(files: Path, audited: dict[str, Any]) -> None:
    reports = files / "reports"

    assert audited["path"] == str(reports)
    assert {path.name for path in reports.iterdir()} == {"audit.json", "audit.csv", "audit.html"}
    assert json.loads((reports / "audit.json").read_text())["issues"] == audited["issues"]
    with (reports / "audit.csv").open(newline="", encoding="utf-8") as file:
        assert [int(line["task_id"]) for line in csv.DictReader(file)] == [i["task_id"] for i in audited["issues"]]
    assert "<html" in (reports / "audit.html").read_text(encoding="utf-8")


def test_for_people_it_prints_counts_and_the_worst_rows_with_their_texts(files: Path, audited: dict[str, Any]) -> None:
    done = run(files, "audit", "--snapshot", str(files / "tickets"))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{ROWS} rows in ")
    assert "judged by logistic regression on frozen features of " in done.stdout
    worst = next(issue for issue in audited["issues"] if issue["split"] == "train")
    held_out = [issue for issue in audited["issues"] if issue["split"] != "train" and issue["issue"] == "label_error"]
    assert held_out
    assert not [issue for issue in held_out if f"\n{issue['task_id']} " in done.stdout]
    assert any(line.startswith(f"{worst['task_id']} ") and worst["given"] in line for line in done.stdout.splitlines())
    assert done.stdout.rstrip().splitlines()[-1].startswith("reports: ")


def test_a_second_audit_judges_nothing_anew(files: Path, audited: dict[str, Any]) -> None:
    cache = {path: path.stat().st_mtime_ns for path in (files / "home" / "audits").rglob("*.safetensors")}

    again = as_json(files, "audit", "--snapshot", str(files / "tickets"))

    assert len(cache) >= 2
    assert {path: path.stat().st_mtime_ns for path in cache} == cache
    assert again["issues"] == audited["issues"]
    assert again["quality"] == audited["quality"]


def test_a_training_without_suspects_says_how_many_there_were_and_records_it(
    files: Path, audited: dict[str, Any]
) -> None:
    errors = [issue for issue in audited["issues"] if issue["issue"] == "label_error" and issue["split"] == "train"]
    suspected = {issue["row_id"] for issue in errors}
    rows = [json.loads(line) for line in (files / "tickets" / "train.jsonl").read_text().splitlines()]
    (control,) = rows[0]["targets"]
    trusted_classes = {row["targets"][control] for row in rows if row["id"] not in suspected}
    concerned = sum(issue["given"] in trusted_classes for issue in errors)
    options = ["--method", "regression", "--suspects", "exclude", "--out", str(files / "model")]

    trained = as_json(files, "train", "--snapshot", str(files / "tickets"), *options)

    (part,) = json.loads((files / "model" / "bundle.json").read_text())["parts"]
    assert part["settings"]["suspects"] == "exclude"
    (said,) = (warning for warning in trained["warnings"] if "an audit suspects" in warning)
    assert concerned > 0
    assert said == f"{concerned} train rows were left out, since an audit suspects their labels to be wrong"


@pytest.mark.parametrize(("classes", "rows"), [(1, 30), (2, 2)], ids=["one class alone", "two rows in all"])
def test_too_little_to_judge_gives_a_clear_answer(files: Path, classes: int, rows: int) -> None:
    labels = (label_values(files)[:classes] * rows)[:rows]

    found = as_json(files, "audit", "--snapshot", write_tickets(files, f"{rows}-rows", labels))

    assert found["rows"] == rows
    assert found["counts"].get("label_error", 0) == 0
    assert found["health"] is None or classes > 1
    assert found["warnings"] != []


def test_a_class_with_one_row_is_not_suspected(files: Path) -> None:
    first, second, third, *_ = label_values(files)
    labels = [first if label == third else label for label in given_labels(files)[:60]]
    labels[7] = third

    found = as_json(files, "audit", "--snapshot", write_tickets(files, "thin-class", labels))

    assert third not in {issue["given"] for issue in found["issues"] if issue["issue"] == "label_error"}
    assert second in labels


def test_very_long_texts_and_emoji_are_audited(files: Path) -> None:
    labels = (label_values(files)[:2] * 10)[:20]
    texts = [f"my card {n} " * 12_500 if n < 2 else f"😀 card number {n} \ud83d" for n in range(20)]

    found = as_json(files, "audit", "--snapshot", write_tickets(files, "odd-texts", labels, texts))

    assert found["rows"] == 20
    assert any("2 of 20 texts (10.0%) have more than 20,000 bytes" in warning for warning in found["warnings"])
    done = run(files, "audit", "--snapshot", str(files / "odd-texts"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either --project ID or --snapshot DIR"),
        (["--snapshot", "{}", "--project", "1"], "either --project ID or --snapshot DIR"),
        (["--snapshot", "{}", "--push"], "--push shows findings in Label Studio; give the project"),
        (["--project", "77"], "77"),
    ],
)
def test_a_wrong_call_is_explained(files: Path, arguments: list[str], said: str) -> None:
    wrong = [argument.format(files / "tickets") for argument in arguments]

    assert said in command_error(files / "home", "audit", *wrong)
