"""A prompted model on the test rows of tickets, beside models that learned from labels."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ConfigurationError, SnapshotError, TextServerUnreachable
from ml_backend.serving.openai_server import OpenAiServer
from ml_backend.tasks import template_path
from ml_backend.workflows.baselines.measure import Baseline
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.reporting.report import report_on_project, write_report
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from tests.fakes import FakePredictor
from tests.openai_server import Script, openai_server
from tests.services import add_project, add_version, build_test_services, choice, with_settings, write_export

CONFIG = template_path("classification").read_text(encoding="utf-8")
TICKETS = {ticket.text: ticket.label for ticket in load_tickets()[:240]}
SPLIT = "0.6,0.1,0.3"
PRICES = {"prompt_input_price": 5.0, "prompt_output_price": 20.0, "expert_hour_price": 60.0, "machine_hour_price": 1.0}


def answer(prompt: str) -> str:
    """Right about every text with an even number of letters; else nothing that can be read."""
    text = prompt.rpartition("Text:\n")[2].partition("\n\nChoose the one label")[0]
    return json.dumps({"label": TICKETS[text]}) if len(text) % 2 == 0 else "I would rather not say."


@pytest.fixture(scope="module")
def script() -> Script:
    return Script(answer=answer, models=("judge",))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, script: Script, base: str) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("baselines")
    with openai_server(script) as url:
        yield build_test_services(folder, text_server_url=url, base_model=base, split=SPLIT, **PRICES)


@pytest.fixture(scope="module")
def project(services: Services) -> Project:
    """Labeled in ten seconds each; a version serves that is always right."""
    project = add_project(services, list(TICKETS), label_config=CONFIG)
    version = add_version(services, project)
    services.load_predictor.put(version.path, FakePredictor(version.name, TICKETS, control="category"))
    Promoter(services).promote(project, version.name, reason="better")
    for task_id, task in list(services.studio.tasks.items()):
        label = TICKETS[task["data"]["text"]]
        services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7, "lead_time": 10.0})
    return project


@pytest.fixture(scope="module")
def test_texts(services: Services, project: Project) -> list[str]:
    return [
        text
        for text, split in zip(TICKETS, splits_of(services, project, list(TICKETS)), strict=True)
        if split is Split.TEST
    ]


@pytest.fixture(scope="module")
def export(services: Services, project: Project) -> Path:
    return write_export(services, services.options.home / "tickets.json")


@pytest.fixture(scope="module")
def measured(services: Services, export: Path) -> Mapping[str, Any]:
    return Baseline(services, examples=(0, 5)).of_export(export, CONFIG)


def of_kind(measured: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    (control,) = measured["controls"]
    return [each for each in control["contestants"] if each["kind"] == kind]


def test_all_answer_the_same_test_rows_and_what_is_no_answer_is_wrong(
    measured: Mapping[str, Any], test_texts: list[str]
) -> None:
    even = sum(len(text) % 2 == 0 for text in test_texts)
    (control,) = measured["controls"]
    assert measured["rows"] == control["rows"] == len(test_texts)
    for each in of_kind(measured, "prompt"):
        low, share, high = each["accuracy"]
        assert share == pytest.approx(even / len(test_texts), abs=1e-4)
        assert low < share < high
        assert each["unanswered"] == len(test_texts) - even
        assert each["macro_f1"][0] < each["macro_f1"][1] < each["macro_f1"][2]
    assert [each["examples"] for each in of_kind(measured, "prompt")] == [0, 5]
    assert of_kind(measured, "cold start")[0]["accuracy"][1] < 0.5
    assert of_kind(measured, "regression")[0]["unanswered"] == 0


def test_the_champion_answers_beside_them(services: Services, project: Project) -> None:
    measured = Baseline(services, examples=(0,)).of_project(project)
    (champion,) = of_kind(measured, "champion")
    assert (champion["name"], champion["accuracy"][1]) == ("tickets-1-v1", 1.0)
    (prompted,) = of_kind(measured, "prompt")
    assert prompted["compared_with"] == "tickets-1-v1"
    assert prompted["difference"][2] < 0
    assert "is surely worse than the tickets-1-v1" in prompted["sentence"]


def test_price_and_volume_follow_from_tokens_and_from_the_time_of_labels(
    measured: Mapping[str, Any], services: Services
) -> None:
    plain, with_examples = of_kind(measured, "prompt")
    per = plain["per_thousand"]
    assert per["price"] == pytest.approx((per["input_tokens"] * 5 + per["output_tokens"] * 20) / 1e6)
    trained = of_kind(measured, "regression")[0]["per_thousand"]
    assert trained["price"] == pytest.approx(trained["seconds"] / 3600, abs=1e-5)
    labels = measured["controls"][0]["train_rows"] * 10 / 3600 * 60
    assert plain["cheaper_from"] == pytest.approx(1000 * labels / (per["price"] - trained["price"]), rel=0.01)
    assert f"fine-tuning is cheaper from {plain['cheaper_from']:,.0f} texts on" in plain["sentence"]
    assert with_examples["cheaper_from"] == 0
    assert "from the first text on" in with_examples["sentence"]
    assert with_examples["per_thousand"]["input_tokens"] > 1.3 * per["input_tokens"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"prompt_input_price": 0.0, "prompt_output_price": 0.0, "machine_hour_price": 0.0},
            "What it costs is not known",
        ),
        ({"expert_hour_price": 0.0}, "set LABELLOOP_EXPERT_HOUR_PRICE"),
        ({"machine_hour_price": 1e9}, "fine-tuning is never cheaper"),
    ],
)
def test_where_prices_are_missing_or_fine_tuning_never_pays_it_is_said(
    services: Services, export: Path, settings: Mapping[str, float], words: str
) -> None:
    measured = Baseline(with_settings(services, **settings), examples=(0,), most=20).of_export(export, CONFIG)
    (prompted,) = of_kind(measured, "prompt")
    assert words in prompted["sentence"]
    assert prompted["cheaper_from"] is None
    assert any("20 of " in note and "drawn at random" in note for note in measured["notes"])


def test_the_report_shows_the_last_measurement(services: Services, project: Project, tmp_path: Path) -> None:
    measured = Baseline(services, examples=(0,)).of_project(project)
    report = report_on_project(services, project)
    assert report["baseline"] == json.loads(json.dumps(measured))
    page = write_report(report, tmp_path).html.read_text(encoding="utf-8")
    assert "A prompted model beside those that learned" in page
    assert of_kind(measured, "prompt")[0]["sentence"][:60] in page.replace("&#39;", "'")
    other = report | {"snapshot_id": "another"}
    assert "labels have changed since" in write_report(other, tmp_path).html.read_text(encoding="utf-8")


def test_only_the_control_of_the_prompt_is_measured_and_its_guidelines_are_sent(
    services: Services, export: Path, script: Script, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.toml"
    prompt.write_text('control = "category"\nguidelines = "Mind the last sentence."')
    Baseline(services, prompt=prompt, examples=(0,), most=20).of_export(export, CONFIG)
    assert "Mind the last sentence." in script.requests[-1]["messages"][0]["content"]
    prompt.write_text('control = "mood"')
    with pytest.raises(ConfigurationError, match="'mood' found; wanted one that is answered with labels: category"):
        Baseline(services, prompt=prompt).of_export(export, CONFIG)


def test_what_cannot_be_measured_is_refused(services: Services, export: Path) -> None:
    with pytest.raises(ConfigurationError, match="-1, 5 found for the examples"):
        Baseline(services, examples=(5, -1))
    without = with_settings(services, text_server_url="")
    with pytest.raises(ConfigurationError, match="LABELLOOP_TEXT_SERVER_URL"):
        Baseline(without).of_export(export, CONFIG)
    with pytest.raises(SnapshotError, match="has no labeled test row"):
        Baseline(with_settings(services, split="1,0,0")).of_export(export, CONFIG)
    away = replace(services, text_server=lambda model: OpenAiServer("http://127.0.0.1:9/v1", "x", attempts=1))
    with pytest.raises(TextServerUnreachable, match="did not answer"):
        Baseline(away, most=1, examples=(0,)).of_export(export, CONFIG)
