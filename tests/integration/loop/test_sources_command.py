"""`labelloop sources` on files, with the example of docs/sources.md: real child processes, no server anywhere."""

import json
import re
from pathlib import Path

import pytest

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
