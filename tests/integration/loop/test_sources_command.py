"""`labelloop sources` on files, with the example of docs/sources.md: real child processes, no server anywhere."""

import json
import re
from pathlib import Path

import pytest

from ml_backend.demo.tickets import load_tickets
from tests.backend_process import command, command_error, command_result
from tests.integration.tickets import CONFIG, source_of, write_export

PAGE = Path(__file__).parents[3] / "docs" / "sources.md"
EXAMPLE = re.compile(r"```\w+\n# (sources/[^\n]+)\n(.*?)```", re.DOTALL)
TICKETS = 737


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all tickets, labeled, and the sources of the guide."""
    folder = tmp_path_factory.mktemp("sources")
    for name, text in EXAMPLE.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write_export(folder / "tickets.json", rows=TICKETS)
    return folder


def options(files: Path) -> list[str]:
    return ["--sources", str(files / "sources"), *source_of(files / "tickets.json")]


def test_the_guides_example_says_what_the_guide_shows(files: Path) -> None:
    done = command(files / "home", "sources", *options(files))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("fault:") == 0
    (shown,) = re.findall(r"```text\n(\d+ of .*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert done.stdout.startswith(shown)
    assert "freeze my membership" in done.stdout


def test_check_prints_the_figures_of_each_source_as_json(files: Path) -> None:
    found = command_result(files / "home", "sources", "check", *options(files))
    assert [each["name"] for each in found["sources"]] == [
        "gazetteers/Technical Fault.txt: Technical Fault",
        "cannot get in",
        "wants_it_to_end",
        "awaits_a_parcel",
        "names_an_amount",
    ]
    ending = found["sources"][2]
    assert (ending["label"], ending["by"], ending["is_on"]) == ("Cancellation", "Ada Reed", True)
    assert 0 < ending["coverage"] < 0.1
    low, middle, high = ending["train_precision"]
    assert low < middle < high
    assert len(ending["precision"]) == 3
    assert (found["texts"], found["labeled"], found["faults"]) == (TICKETS, TICKETS, [])


def test_propose_prints_proposals_for_tasks_without_a_label(files: Path) -> None:
    more = files / "more.json"
    texts = {5001: "Please terminate the whole thing by tomorrow.", 5002: "Hm."}
    more.write_text(json.dumps([{"id": number, "data": {"text": text}} for number, text in texts.items()]))
    found = command_result(files / "home", "sources", "propose", *options(files), "--tasks", str(more))
    (proposal,) = found["proposals"]
    assert (proposal["task_id"], proposal["targets"]) == (5001, {"category": "Cancellation"})
    assert proposal["by"] == ["wants_it_to_end"]
    assert 0.5 < proposal["confidence"] < 1
    assert found["unlabeled"] == 2


def test_a_floor_switches_sources_off_and_a_fault_is_a_note(files: Path, tmp_path: Path) -> None:
    (tmp_path / "reasons.py").write_text(
        (files / "sources" / "reasons.py").read_text()
        + "\n\n@rationale('Returns')\ndef broken(text):\n    return 1 / 0\n"
    )
    done = command(
        files / "home", "sources", "--floor", "0.9", "--sources", str(tmp_path), *source_of(files / "tickets.json")
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"off: \d+ of its \d+ votes on train rows are right, surely less than 90%", done.stdout)
    assert re.search(r"fault: reasons.py:\d+: broken: ZeroDivisionError: division by zero, with the text", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--config", str(CONFIG)], "name the rows: either --project ID or --studio-export FILE --config FILE"),
        (["--project", "1", "--tasks", __file__], "--tasks goes with --studio-export"),
        (["--project", "1"], "project 1 is not connected"),
    ],
)
def test_what_cannot_be_read_is_refused(files: Path, arguments: list[str], problem: str) -> None:
    assert problem in command_error(files / "home", "sources", "--sources", str(files / "sources"), *arguments)


def test_an_empty_folder_is_refused(files: Path, tmp_path: Path) -> None:
    error = command_error(files / "home", "sources", "--sources", str(tmp_path), *source_of(files / "tickets.json"))
    assert "holds no source; wanted rationales" in error


LABELED = 240


@pytest.fixture(scope="module")
def beside(files: Path) -> Path:
    """The folder with a snapshot of the first tickets besides, and the others in a file without labels."""
    write_export(files / "labeled.json", rows=LABELED)
    made = command(files / "home", "export", *source_of(files / "labeled.json"), "--out", str(files / "snapshot"))
    assert made.returncode == 0, made.stderr
    others = [
        {"id": number, "data": {"text": ticket.text}}
        for number, ticket in enumerate(load_tickets()[LABELED:], start=LABELED + 1)
    ]
    (files / "others.json").write_text(json.dumps(others), encoding="utf-8")
    return files


def training(files: Path, *options: str) -> list[str]:
    return ["train", "--snapshot", str(files / "snapshot"), "--method", "regression", "--suspects", "keep", *options]


def test_a_training_learns_from_what_sources_propose_for_a_file_of_tasks(beside: Path) -> None:
    sources = ["--sources", str(beside / "sources"), "--tasks", str(beside / "others.json")]
    found = command_result(beside / "home", *training(beside, *sources, "--weak", "rows"))

    weak = found["weak_rows"]
    assert weak["controls"] == {"category": {"rows": weak["rows"], "is_kept": True, "reason": "they were asked for"}}
    rows = [json.loads(line) for line in Path(weak["path"]).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == weak["rows"] > 20
    assert {row["source"] for row in rows} == {"rationale"}
    assert all(row["task_id"] > LABELED and row["provenance"]["sources"] for row in rows)
    assert found["snapshot_id"] == json.loads((beside / "snapshot" / "manifest.json").read_text())["id"]
    compared = command(beside / "home", *training(beside, *sources))
    assert compared.returncode == 0, compared.stderr
    assert re.search(
        rf"{weak['rows']} weak rows of category (learned from|left out): macro-F1 of a regression with them \.?\d",
        compared.stdout,
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--weak", "auto"], "--weak auto found without label sources; name their folder with --sources"),
        (["--sources", "SOURCES"], "--sources found without --tasks"),
        (["--sources", "SOURCES", "--weak", "none"], "--sources and --weak none found; leave one of them out"),
    ],
)
def test_a_training_says_what_it_lacks_to_use_sources(beside: Path, options: list[str], problem: str) -> None:
    given = [str(beside / "sources") if option == "SOURCES" else option for option in options]
    assert problem in command_error(beside / "home", *training(beside, *given))
