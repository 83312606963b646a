"""A project whose label config shows several texts, from its connection to what is exported of it."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, Split, SplitFractions
from ml_backend.exporters.base import ExportRequest
from ml_backend.hooks import hookimpl
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.web.app import create_app
from ml_backend.workflows.connecting.connect import Connection, connect, create_and_connect
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.connecting.reading import Reading
from ml_backend.workflows.exporting.formats import export_format, export_format_of_file
from ml_backend.workflows.exporting.snapshots import export_file, export_project
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.evaluate import EvaluationReport
from tests.fakes import FakePredictor
from tests.services import build_test_services, choice, with_hook, write_export
from tests.unit.workflows.bundles import add_whole_version

SHOWN = """<View>
  <Text name="number" value="$number"/>
  <Text name="subject" value="$subject"/>
  <Text name="body" value="$body"/>
  <Text name="link" value="$link"/>
  <Text name="desk" value="$desk"/>
"""
CHOICES = """  <Choices name="category" toName="body" choice="single">
    <Choice value="Billing"/><Choice value="Shipping"/><Choice value="Returns"/>
  </Choices>
"""
LABELS = '  <Labels name="things" toName="body"><Label value="Thing"/></Labels>\n'
CONFIG = f"{SHOWN}{CHOICES}</View>"
WITH_MARKS = f"{SHOWN}{CHOICES}{LABELS}</View>"
BODIES = "It is about my card", "Is it about my card?"
DATA = [
    {
        "number": f"T-{number}",
        "subject": subject,
        "body": BODIES[number % 2],
        "link": f"https://desk.test/{number}",
        "desk": "Support",
        "unseen": number,
    }
    for number, subject in enumerate(["Lost", "Late", "Broken", "Refund", "Address", "Invoice", "Parcel", "Thanks"])
]
MARK = [
    {"from_name": "things", "to_name": "body", "type": "labels", "value": {"start": 15, "end": 19, "labels": ["Thing"]}}
]
READ = ("subject", "body")


def connected(services: Services, config: str = CONFIG) -> Connection:
    """A project of these tasks, all of them labeled."""
    done = create_and_connect(services, "Tickets", config, [{"data": each} for each in DATA])
    marks = MARK if config == WITH_MARKS else []
    for task_id in range(1, len(DATA) + 1):
        services.studio.submit_annotation(task_id, {"result": [*choice("Billing"), *marks], "lead_time": 2.0})
    return done


def rows_of(snapshot: Snapshot) -> list[Row]:
    return [row for split in Split for row in SnapshotFolder(snapshot.path).rows(split)]


def joined(data: Mapping[str, Any]) -> str:
    return join_fields({name: data[name] for name in READ})


def test_what_is_read_is_decided_when_a_project_is_connected_and_said(services: Services) -> None:
    done = connected(services)
    others = [
        "The field 'number' is shown and not read: it holds identifiers.",
        "The field 'link' is shown and not read: it holds URLs.",
        "The field 'desk' is shown and not read: it is the same in all of the first 8 tasks.",
    ]

    assert done.project.fields == READ
    assert done.notices == ("Read of each task, and fixed since the project was connected: 'subject', 'body'.", *others)
    assert connect(services, done.project.id).notices == done.notices


def test_it_stays_as_it_was_whatever_comes_later(services: Services) -> None:
    project = connected(services).project
    services.studio.import_tasks(project.id, [{"data": {**DATA[0], "desk": "Sales"}}])
    more = CONFIG.replace("<View>", '<View><Text name="note" value="$note"/>')

    assert connect(services, project.id).project.fields == READ
    assert remember_project(services, project.id, more).fields == READ
    doubts = Reading.of(services, services.database.projects.get(project.id), []).doubts
    assert "The field 'note' is shown and not read." in doubts


def test_a_text_that_is_no_longer_shown_is_missed(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    project = connected(services).project

    remember_project(services, project.id, CONFIG.replace('<Text name="subject" value="$subject"/>', ""))

    assert "what is read of a task was 'subject', 'body' and is 'body'" in caplog.text


def test_the_setting_leaves_a_field_out(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, ignored_fields="$subject, gone")

    assert connected(services).project.fields == ("body",)


def test_a_snapshot_holds_the_fields_that_are_read_and_says_which(services: Services) -> None:
    snapshot = export_project(services, connected(services).project)

    assert snapshot.manifest.fields == READ
    assert SnapshotFolder(snapshot.path).manifest() == snapshot.manifest
    assert sorted((row.input for row in rows_of(snapshot)), key=str) == sorted(
        ({name: each[name] for name in READ} for each in DATA), key=str
    )


def test_tasks_of_equal_bodies_and_other_subjects_are_no_duplicates(services: Services) -> None:
    rows = rows_of(export_project(services, connected(services).project))

    assert len(rows) == len(DATA)
    assert {row.text for row in rows} == {joined(each) for each in DATA}


def test_a_project_from_before_reads_what_it_read_and_keeps_its_snapshots(services: Services) -> None:
    former = _former(services)
    snapshot = export_project(services, former)

    assert (former.fields, snapshot.manifest.fields) == ((), ())
    assert "fields" not in json.loads((snapshot.path / "manifest.json").read_text())
    assert sorted(row.text for row in rows_of(snapshot)) == sorted(BODIES)
    assert [row.input.keys() for row in rows_of(snapshot)] == [{"body"}] * len(BODIES)
    doubts = Reading.of(services, former, services.studio.first_tasks(former.id, 200)).doubts
    assert doubts == ("The field 'subject' is shown and not read.",)


def _former(services: Services) -> Project:
    info = services.studio.create_project("Former", CONFIG)
    services.studio.import_tasks(info.id, [{"data": each} for each in DATA])
    for task_id in range(1, len(DATA) + 1):
        services.studio.submit_annotation(task_id, {"result": choice("Billing")})
    return services.database.projects.add(
        info.id, slug="former", title="Former", label_config=CONFIG, fingerprint="f", split=SplitFractions()
    )


def test_label_studio_gets_pre_labels_by_all_that_is_read_and_none_for_what_is_held_out(services: Services) -> None:
    project = connected(services).project
    tasks = [{"id": number, "data": each} for number, each in enumerate(DATA, start=1)]
    request = {"project": f"{project.id}.1", "label_config": CONFIG, "tasks": tasks}

    answers = create_app(services).test_client().post("/predict", json=request)

    is_blind = [project.split.split_of(joined(each)).is_held_out for each in DATA]
    results = [entry["result"] for entry in answers.get_json()["results"]]
    assert [not result for result in results] == is_blind
    assert {region["to_name"] for result in results for region in result} == {"body"}
    predictor = services.champions.get(project)
    assert isinstance(predictor, FakePredictor)
    (asked,) = predictor.asked
    assert asked == [joined(each) for each, blind in zip(DATA, is_blind, strict=True) if not blind]


def test_what_a_hook_adds_to_a_row_is_not_read(services: Services) -> None:
    class Adding:
        @hookimpl
        def row_read(self, row: Row) -> Row:
            return replace(row, input={"language": "en", **row.input})

    project = connected(services).project

    assert {tuple(row.input) for row in rows_of(export_project(with_hook(services, Adding()), project))} == {READ}


def test_a_file_of_tasks_is_read_by_the_same_rule(services: Services, tmp_path: Path) -> None:
    connected(services)
    export = write_export(services, tmp_path / "tickets.json")
    snapshot = export_file(services, export, CONFIG, SplitFractions())

    assert snapshot.manifest.fields == READ
    assert {tuple(row.input) for row in rows_of(snapshot)} == {READ}
    assert "The field 'link' is shown and not read: it holds URLs." in snapshot.manifest.warnings


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_table_has_a_column_for_each_field(services: Services, tmp_path: Path, form: str) -> None:
    connected(services)
    export = write_export(services, tmp_path / "tickets.json")
    if form == "csv":
        export = tmp_path / "tickets.csv"
        with export.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", *DATA[0], "category", "annotation_id"])
            writer.writeheader()
            writer.writerows(
                {"id": n, **each, "category": "Billing", "annotation_id": n} for n, each in enumerate(DATA, 1)
            )

    report = export_format_of_file(services, export, CONFIG, ExportRequest("csv"), tmp_path / "out.csv")

    with (tmp_path / "out.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found == [[*READ, "category"], *([each[name] for name in READ] + ["Billing"] for each in DATA)]
    assert "The field 'number' is shown and not read: it holds identifiers." in report.notices


def test_a_version_is_measured_on_what_it_reads(services: Services) -> None:
    project = connected(services).project
    reads_one = add_whole_version(services, project, "Shipping")

    EvaluationReport.on_snapshot(services, reads_one.path, export_project(services, project).path)

    predictor = services.load_predictor(reads_one.path)
    assert isinstance(predictor, FakePredictor)
    assert predictor.asked == [[DATA[2]["body"]]]


def exported(services: Services, tmp_path: Path, format_name: str, control: str = "") -> Path:
    project = connected(services, WITH_MARKS).project
    export_format(services, project, ExportRequest(format_name, control), tmp_path / "out")
    return tmp_path / "out"


def test_conversations_name_each_text(services: Services, tmp_path: Path) -> None:
    lines = exported(services, tmp_path, "openai-chat", "category").read_text().splitlines()

    assert json.loads(lines[0])["messages"][0]["content"] == "subject: Lost\n\nbody: It is about my card"


def test_entities_are_exported_with_the_text_that_they_are_marked_in(services: Services, tmp_path: Path) -> None:
    spans = json.loads(exported(services, tmp_path, "spans", "things").read_text().splitlines()[0])

    assert spans["text"] == DATA[0]["body"]
    assert [each["text"] for each in spans["spans"]] == ["card"]


def test_tasks_for_label_studio_hold_each_text_in_its_place(services: Services, tmp_path: Path) -> None:
    tasks = json.loads(exported(services, tmp_path, "label-studio").read_text())

    assert tasks[0]["data"] == {name: DATA[0][name] for name in READ}
    marks = [region for region in tasks[0]["annotations"][0]["result"] if region["type"] == "labels"]
    assert [(mark["to_name"], mark["value"]["text"]) for mark in marks] == [("body", "card")]


def test_datasets_have_a_feature_for_each_field(services: Services, tmp_path: Path) -> None:
    folder = exported(services, tmp_path, "datasets")
    (first, *_) = pq.read_table(next((folder / "data").iterdir())).to_pylist()

    assert [first[name] for name in READ] == [DATA[0][name] for name in READ]


@pytest.mark.parametrize(
    "format_name", ["csv", "rows", "label-studio", "openai-chat", "prompt-completion", "spans", "conll"]
)
def test_no_file_holds_what_stands_between_texts(services: Services, tmp_path: Path, format_name: str) -> None:
    one = {"openai-chat": "category", "prompt-completion": "category", "spans": "things", "conll": "things"}
    written = exported(services, tmp_path, format_name, one.get(format_name, "")).read_text()

    assert [each for each in ("\x1e", "\x1f", "\\u001e", "\\u001f") if each in written] == []
