"""The report of a project that a simulated annotator has labeled, against what the events themselves say."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from ml_backend.demo.tickets import Ticket, load_tickets
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.errors import SourceError
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.tasks import template_path
from ml_backend.web.api.forecast import LabelCurve
from ml_backend.workflows.jobs.kinds.report import ReportJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.reporting.files import ReportFiles
from ml_backend.workflows.reporting.report import report_on_export, report_on_project, write_report
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.viewing.forecasts import newest_forecast
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, build_test_services, choice, with_settings
from tests.unit.workflows.audits import put_flag
from tests.visitors import HTML, as_backend

CONFIG = template_path("classification").read_text(encoding="utf-8")
SPLIT = "0.6,0.2,0.2"
SAVING, FOLLOWING = 0.2, 0.6
"""Planted: a pre-label saves a fifth of the time, and this share of wrong ones is accepted all the same."""
MEDIAN_S = {1: 8.0, 2: 20.0}


@dataclass
class Simulation:
    """A labeled project.

    Attributes:
        blind: whether each annotated task was held out, by task.
        wrong_share: share of tasks whose pre-label is wrong.
    """

    services: Services
    project: Project
    blind: Mapping[int, bool]
    wrong_share: float


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory, base_model: str) -> Simulation:
    services = build_test_services(tmp_path_factory.mktemp("simulation"), base_model=base_model, split=SPLIT)
    tickets = {ticket.text: ticket for ticket in load_tickets()}
    project = add_project(services, list(tickets), label_config=CONFIG)
    rng = random.Random(2)
    labels = sorted({ticket.label for ticket in tickets.values()})
    answers = {text: each.label if rng.random() < 0.75 else rng.choice(labels) for text, each in tickets.items()}
    version = add_version(services, project)
    services.load_predictor.put(version.path, FakePredictor(version.name, answers, control="category"))
    Promoter(services).promote(project, version.name, reason="better")
    for task in list(services.studio.tasks.values()):
        _answer(services, task, tickets[task["data"]["text"]], rng)
    blind = {
        task["id"]: split.is_held_out
        for task, split in zip(services.studio.tasks.values(), splits_of(services, project, list(tickets)), strict=True)
    }
    wrong = sum(answers[text] != each.label for text, each in tickets.items()) / len(tickets)
    return Simulation(services, project, blind, wrong)


@pytest.fixture(scope="module")
def report(simulation: Simulation) -> dict[str, Any]:
    """The report as a job of the admin's page has left it."""
    services, project = simulation.services, simulation.project
    job, _ = ReportJob(trigger="page", target=0.9).request(services, project.id, claim=True)
    assert run_job(services, job.id) is JobState.SUCCEEDED, services.database.jobs.get(job.id).error
    found: dict[str, Any] = json.loads(ReportFiles.of(services, project.ref.key).json.read_text(encoding="utf-8"))
    return found


def _answer(services: Services, task: Mapping[str, Any], ticket: Ticket, rng: random.Random) -> None:
    """Submit what a person answers who follows pre-labels more than is good."""
    prediction = next(p for p in services.studio.predictions.values() if p["task"] == task["id"])
    shown = next((region["value"]["choices"][0] for region in prediction["result"]), None)
    who = rng.choice([1, 2])
    seconds = rng.lognormvariate(0, 0.4) * MEDIAN_S[who] * (1.0 if shown is None else 1 - SAVING)
    label = shown if shown and shown != ticket.label and rng.random() < FOLLOWING else ticket.label
    annotation = services.studio.submit_annotation(
        task["id"],
        {
            "result": choice(label),
            "lead_time": round(seconds, 3) + (900 if rng.random() < 0.03 else 0),
            "completed_by": who,
            "parent_prediction": prediction["id"] if shown else None,
        },
    )
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", annotation["id"])))


def test_labels_and_time_are_those_of_the_events(simulation: Simulation, report: dict[str, Any]) -> None:
    events = list(simulation.services.database.events.history(simulation.project.id).values())
    lead_s = [event.lead_time_s or 0.0 for event in events]
    breaks = [seconds for seconds in lead_s if seconds > 600]

    costs = report["costs"]
    assert costs["labels"] == len(events) == len(simulation.services.studio.tasks)
    assert {each["annotator"]: each["labels"] for each in costs["by_annotator"]} == {
        who: sum(event.annotator == who for event in events) for who in ("1", "2")
    }
    ways = {each["way"]: each["labels"] for each in costs["by_way"]}
    assert ways["blind"] == sum(simulation.blind.values())
    assert ways["with pre-label"] == len(events) - ways["blind"]
    assert len(breaks) <= costs["breaks"] <= len(breaks) + 5
    working_s = sum(seconds for seconds in lead_s if seconds <= 600) / (1 - len(breaks) / len(events))
    assert costs["human_s"] == pytest.approx(working_s, rel=0.03)
    assert sum(each["human_s"] for each in report["rounds"]) == pytest.approx(costs["human_s"], abs=1)


def test_what_was_planted_lies_in_the_intervals(simulation: Simulation, report: dict[str, Any]) -> None:
    effects = report["prelabels"]
    saved_s = -SAVING * 14 * 1.083  # the mean of a log-normal time lies above its median
    anchoring = simulation.wrong_share * FOLLOWING

    assert effects["seconds"]["low"] <= saved_s <= effects["seconds"]["high"] < 0
    assert 0 < effects["agreement"]["low"] <= anchoring <= effects["agreement"]["high"]
    assert effects["seconds"]["shown"] + effects["seconds"]["blind"] > 680
    assert any("People follow the pre-labels" in sentence for sentence in report["advice"])
    events = simulation.services.database.events.history(simulation.project.id).values()
    accepted = [event.prelabel is PrelabelOutcome.ACCEPTED for event in events if event.parent_prediction]
    assert effects["agreement"]["blind_mean"] + effects["agreement"]["difference"] == pytest.approx(
        sum(accepted) / len(accepted), abs=0.005
    )
    rounds = report["rounds"][-1]
    shown = sum(not is_blind for is_blind in simulation.blind.values())
    assert rounds["saved_s"] == pytest.approx(-effects["seconds"]["difference"] * shown, rel=0.01)


def test_the_admins_page_shows_the_report_and_its_live_figures_are_the_same(
    simulation: Simulation, report: dict[str, Any]
) -> None:
    client = as_backend(simulation.services)
    shown = client.get(f"/projects/{simulation.project.id}/loop", headers=HTML).get_data(as_text=True)
    loop = client.get(f"/api/projects/{simulation.project.id}/loop").get_json()

    assert str(escape(report["controls"][0]["forecast_words"])) in shown
    assert "<svg" in shown.partition("Cost and forecast")[2]
    weeks = [each | {"monday": each["from"]} for each in report["live"]["accepted_weeks"]]
    assert loop["prelabels"]["weeks"] == [
        {name: value for name, value in each.items() if name != "from"} for each in weeks
    ]
    (version,) = loop["prelabels"]["versions"]
    assert {name: version[name] for name in ("tested", "accuracy", "accepted")} == {
        name: report["live"]["versions"][0][name] for name in ("tested", "accuracy", "accepted")
    }


def test_the_forecast_and_the_pairs_stand_in_json_and_page(report: dict[str, Any], tmp_path: Path) -> None:
    files = write_report(report, tmp_path)

    assert json.loads(files.json.read_text(encoding="utf-8"))["forecast"] == report["controls"][0]["forecast"]
    page = files.html.read_text(encoding="utf-8")
    assert report["forecast"]["target"] == 0.9
    assert report["controls"][0]["forecast_words"].split(",")[0] in page.replace("&#39;", "'")
    assert "<script" not in page
    assert "//" not in page.replace("http://www.w3.org/", "").replace(report["project_url"], ""), (
        "it needs nothing else"
    )


def test_texts_that_fit_no_label_stand_in_the_page_by_week_and_group(report: dict[str, Any], tmp_path: Path) -> None:
    assert report["unfit"] == {"looked_at": 0, "expected_share": 0.05, "waiting": 0, "weeks": [], "groups": []}
    group = {"words": ["<b>charged", "twice"], "size": 1200, "texts": ["charged twice & more"], "task_ids": [7, 8]}
    weeks = [{"week": "2026-01-05", "texts": 200, "unfit": 30}]
    told = report["unfit"] | {"looked_at": 200, "waiting": 1250, "weeks": weeks, "groups": [group]}

    without, with_groups = (
        write_report(report | {"unfit": unfit}, tmp_path / name).html.read_text(encoding="utf-8")
        for name, unfit in (("a", report["unfit"]), ("b", told))
    )

    assert "No version has told so far. It takes labels to choose from, at least 19 validation rows" in without
    for words in ("&lt;b&gt;charged, twice", "1,200 texts", "charged twice &amp; more", "/data?task=7", ">15%<"):
        assert words in with_groups


def test_what_versions_answered_to_blind_tasks_stands_in_json_and_page(
    simulation: Simulation, report: dict[str, Any], tmp_path: Path
) -> None:
    blind = sum(simulation.blind.values())
    outcomes = simulation.services.database.events.prelabel_counts(simulation.project.id)
    (version,) = report["live"]["versions"]

    assert version["accuracy"]["rows"] == blind
    assert version["accuracy"]["low"] < 1 - simulation.wrong_share < version["accuracy"]["high"]
    assert version["accepted"]["rows"] == outcomes[PrelabelOutcome.ACCEPTED] + outcomes[PrelabelOutcome.CHANGED]
    assert sum(week["rows"] for week in version["weeks"]) == blind
    page = write_report(report, tmp_path).html.read_text(encoding="utf-8")
    assert "<h2>Live</h2>" in page
    assert "share of blind tasks answered as people did, week by week" in page


def test_no_held_out_task_is_quoted(simulation: Simulation, report: dict[str, Any]) -> None:
    pairs = report["controls"][0]["mistakes"]["pairs"]
    quoted = [each["task_id"] for pair in pairs for each in pair["examples"]]

    assert quoted
    assert not any(simulation.blind[task_id] for task_id in quoted)


def test_a_second_look_is_work_apart_from_the_first(services: Services) -> None:
    project = add_project(services, ["where is my parcel, it is late"])
    annotation = services.studio.submit_annotation(1, {"result": choice("Billing"), "lead_time": 5.0})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", annotation["id"])))
    put_flag(services)
    changed = services.studio.update_annotation(annotation["id"], {"result": choice("Shipping"), "lead_time": 12.0})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_UPDATED", changed["id"])))

    report = report_on_project(services, project)
    costs = report["costs"]

    (without,) = report["without_curve"]
    assert without["reason"] == "1 rows of 1 labels found; a learning curve takes 40"
    assert (costs["labels"], costs["second_looks"]) == (1, 1)
    assert (costs["human_s"], costs["second_looks_s"]) == (12.0, 7.0)


def test_a_job_writes_the_report_and_keeps_the_curves_that_the_page_shows(
    services: Services, report: dict[str, Any]
) -> None:
    project = add_project(services, ["where is my parcel"])
    services.studio.submit_annotation(1, {"result": choice("Shipping")})
    job, _ = ReportJob(trigger="page", target=0.9).request(services, project.id, claim=True)

    assert run_job(services, job.id) is JobState.SUCCEEDED

    found, under_way = newest_forecast(services, project)
    assert found is not None
    assert (under_way, found["job_id"], found["curves"]) == (None, job.id, [])
    assert "a learning curve takes 40" in found["without_curve"][0]["reason"]
    assert Path(found["path"]).is_file()
    curve = LabelCurve.model_validate(report["controls"][0])
    assert curve.forecast.target == 0.9
    assert curve.forecast_words.startswith("macro-F1 .90")


REASON = """
from ml_backend.sources.writing import rationale

@rationale("Shipping", reason="<b>It is under way.</b>")
def awaited(text):
    return text.mentions("parcel")
"""


def test_label_sources_of_the_settings_or_of_the_command_stand_in_the_report(
    services: Services, tmp_path: Path
) -> None:
    project = add_project(services, ["where is my parcel, it is late", "I was charged twice"])
    for task_id in (1, 2):
        services.studio.submit_annotation(task_id, {"result": choice("Billing"), "completed_by": 1})
    assert report_on_project(services, project)["sources"] is None
    own = tmp_path / "sources" / project.ref.key
    own.mkdir(parents=True)
    services = with_settings(services, sources=str(own.parent))
    assert "holds no source" in report_on_project(services, project)["sources"]["problem"]
    with pytest.raises(SourceError, match="holds no source"):
        report_on_project(services, project, sources=own)
    (own / "reasons.py").write_text(REASON)

    report = report_on_project(services, project)
    page = write_report(report, tmp_path / "out").html.read_text(encoding="utf-8")

    (source,) = report["sources"]["sources"]
    assert (source["name"], source["coverage"], source["train_rows"]) == ("awaited", 0.5, 1)
    assert report["sources"]["differences"] == 1
    assert "<h2>Label sources</h2>" in page
    assert "On 1 of 2 labeled tasks people and a source that is on differ" in page


def test_hostile_texts_and_labels_of_an_export_are_shown_as_they_are(services: Services, tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script> \ud800 ]]> {{ 7 * 7 }}'
    tasks = [
        {
            "id": number,
            "data": {"text": f"{hostile} {ticket.text}"},
            "annotations": [{"id": number, "completed_by": 1, "result": choice(ticket.label), "lead_time": -3}],
        }
        for number, ticket in enumerate(load_tickets()[:120], start=1)
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks), encoding="utf-8")

    report = report_on_export(services, export, CONFIG)
    page = write_report(report, tmp_path / "out").html.read_text(encoding="utf-8")

    assert "<script" not in page
    assert "49" not in page.partition("<blockquote")[2].partition("</blockquote>")[0]
    assert report["costs"]["without_time"] == 120
    assert report["prelabels"] is None


def test_a_text_area_is_named_as_having_no_forecast(services: Services, tmp_path: Path) -> None:
    config = CONFIG.replace("</View>", '<TextArea name="reply" toName="text" required="true"/></View>')
    written = {"from_name": "reply", "to_name": "text", "type": "textarea", "value": {"text": ["We look into it."]}}
    tasks = [
        {
            "id": number,
            "data": {"text": ticket.text},
            "annotations": [{"id": number, "completed_by": 1, "result": [*choice(ticket.label), written]}],
        }
        for number, ticket in enumerate(load_tickets()[:120], start=1)
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(tasks), encoding="utf-8")

    report = report_on_export(services, export, config)
    page = write_report(report, tmp_path / "out").html.read_text(encoding="utf-8")

    assert [control["control"] for control in report["controls"]] == ["category"]
    assert [each["control"] for each in report["without_curve"]] == ["reply"]
    assert "has no forecast: it is answered with a text" in page
