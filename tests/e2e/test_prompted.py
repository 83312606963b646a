"""A real small language model, prompted over HTTP: as a baseline on the demo's tickets, and as a label source.

It is a bad one for this. What is tested is that its figures are measured and told as they are.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ml_backend.demo.tickets import load_tickets
from tests.backend_process import command_result
from tests.integration.tickets import source_of, write_export
from tests.language_server import language_server

pytestmark = pytest.mark.long

TICKETS, LABELED, ASKED = 737, 60, 5
IN_NO_TIME = {"LABELLOOP_PROMPT_TIMEOUT_S": "1"}
PRICES = {
    "LABELLOOP_PROMPT_INPUT_PRICE": "0.5",
    "LABELLOOP_PROMPT_OUTPUT_PRICE": "1.5",
    "LABELLOOP_EXPERT_HOUR_PRICE": "60",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings that name the server, and prices."""
    with language_server(tmp_path_factory.mktemp("server")) as settings:
        yield settings | PRICES


def test_a_baseline_is_measured_stored_and_told_as_it_is(environment: Mapping[str, str], tmp_path: Path) -> None:
    home, source = tmp_path / "home", source_of(write_export(tmp_path / "tickets.json", rows=TICKETS))
    asked = ["baseline", *source, "--examples", "0,5", "--most", str(ASKED)]
    found = command_result(home, *asked, environment=environment)

    (control,) = found["controls"]
    by_kind = {(each["kind"], each["examples"]): each for each in control["contestants"]}
    regression, plain, shown = by_kind["regression", None], by_kind["prompt", 0], by_kind["prompt", 5]
    assert plain["accuracy"][1] < regression["accuracy"][1]
    for prompted in (plain, shown):
        assert prompted["per_thousand"]["input_tokens"] > 100_000
        assert prompted["per_thousand"]["seconds"] > 100
        assert prompted["per_thousand"]["price"] > 0
        assert "the prompted model" in prompted["sentence"]
    assert shown["per_thousand"]["input_tokens"] > plain["per_thousand"]["input_tokens"]
    # Nothing is asked a second time: it could not answer within a second.
    again = command_result(home, *asked, environment={**environment, **IN_NO_TIME})
    assert [each["accuracy"] for each in again["controls"][0]["contestants"]] == [
        each["accuracy"] for each in control["contestants"]
    ]
    assert command_result(home, "report", *source, environment=environment)["baseline"] == again


def test_as_a_label_source_it_is_measured_and_proposes(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "sources" / "prompts").mkdir(parents=True)
    (tmp_path / "sources" / "prompts" / "smollm.toml").write_text("examples = 5\n")
    texts = [ticket.text for ticket in load_tickets()[LABELED : LABELED + ASKED]]
    more = tmp_path / "more.json"
    more.write_text(json.dumps([{"id": 5000 + k, "data": {"text": text}} for k, text in enumerate(texts)]))
    source = source_of(write_export(tmp_path / "tickets.json", rows=LABELED))
    options = [*source, "--sources", str(tmp_path / "sources"), "--tasks", str(more)]
    limited = {**environment, "LABELLOOP_PROMPT_MOST": str(2 * ASKED)}

    found = command_result(tmp_path / "home", "sources", "propose", *options, "--floor", "0", environment=limited)
    assert 0 < len(found["proposals"]) <= ASKED
    assert {tuple(each["by"]) for each in found["proposals"]} == {("prompts/smollm.toml",)}
    assert any("since the limit for one run is reached" in note for note in found["notes"])
    nothing_more = {**environment, "LABELLOOP_PROMPT_MOST": "0"}
    checked = command_result(tmp_path / "home", "sources", "check", *options, environment=nothing_more)
    (smollm,) = checked["sources"]
    assert (smollm["kind"], smollm["costs"]["input_tokens"] > 100_000) == ("prompt", True)
