"""`labelloop baseline`, and `labelloop sources` with a prompt: on files, with a server that answers by rule."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.demo.tickets import load_tickets
from tests.backend_process import LABELLOOP, command, command_error, command_result
from tests.integration.tickets import source_of, write_export
from tests.openai_server import Script, openai_server
from tests.running import until

LABELS = {ticket.text: ticket.label for ticket in load_tickets()}
ROWS = 150


def answer(prompt: str) -> str:
    text = prompt.rpartition("Text:\n")[2].partition("\n\nChoose the one label")[0]
    return json.dumps({"label": LABELS[text]})


@pytest.fixture
def script() -> Script:
    return Script(answer=answer, models=("judge",))


@pytest.fixture
def environment(script: Script) -> Iterator[dict[str, str]]:
    with openai_server(script) as url:
        yield {"LABELLOOP_TEXT_SERVER_URL": url, "LABELLOOP_PROMPT_INPUT_PRICE": "2"}


@pytest.fixture
def source(tmp_path: Path) -> list[str]:
    return source_of(write_export(tmp_path / "tickets.json", rows=ROWS))


def test_the_baseline_says_first_who_gets_the_texts_and_then_what_all_are_worth(
    tmp_path: Path, source: list[str], environment: dict[str, str]
) -> None:
    done = command(tmp_path / "home", "baseline", *source, "--examples", "0", environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"{environment['LABELLOOP_TEXT_SERVER_URL']} gets the texts of test rows")
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == ["judge", "cold start", "regression"]
    assert "1.000" in lines[2]
    assert "With 0 examples the prompted model" in lines[5]


def test_a_prompt_in_the_folder_of_sources_is_disclosed_measured_and_priced(
    tmp_path: Path, source: list[str], environment: dict[str, str], script: Script
) -> None:
    (tmp_path / "sources" / "prompts").mkdir(parents=True)
    (tmp_path / "sources" / "prompts" / "triage.toml").write_text('by = "Ada"')
    options = [*source, "--sources", str(tmp_path / "sources")]
    done = command(tmp_path / "home", "sources", *options, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        f"{environment['LABELLOOP_TEXT_SERVER_URL']} gets texts of tasks, by the prompted label"
    )
    assert "price, EUR" in done.stdout
    asked = len(script.requests)
    checked = command_result(tmp_path / "home", "sources", "check", *options, environment=environment)
    assert len(script.requests) == asked
    (triage,) = checked["sources"]
    assert (triage["name"], triage["train_precision"][1]) == ("prompts/triage.toml", 1.0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "no text server found; wanted LABELLOOP_TEXT_SERVER_URL"),
        (["--examples", "few"], "--examples 'few' found; wanted numbers such as 0,5,20"),
        (["--examples", "0,500"], "0, 500 found for the examples; wanted numbers from 0 to 100"),
        (["--project", "1"], "name the rows"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path, source: list[str], options: list[str], problem: str
) -> None:
    assert problem in command_error(tmp_path / "home", "baseline", *source, *options)


def test_a_command_that_is_killed_loses_what_was_in_flight_alone(
    tmp_path: Path, source: list[str], environment: dict[str, str], script: Script
) -> None:
    script.pauses_s = (0.1,)
    asked = ["baseline", *source, "--examples", "0"]
    process = subprocess.Popen(
        [*LABELLOOP, *asked],
        env=os.environ | environment | {"LABELLOOP_HOME": str(tmp_path / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(script.requests) >= 6, "the first answers")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = command_result(tmp_path / "home", *asked, environment=environment)
    assert found["rows"] <= len(script.requests) <= found["rows"] + 4
