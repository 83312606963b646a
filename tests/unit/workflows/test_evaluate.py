"""How well a version does on rows that were kept apart, and predictions for a file."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import BundleError, SnapshotError, StudioExportError, UnsupportedLabelConfig
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.labeling.predict import predict_file
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.evaluate import EvaluationReport
from tests.services import CONFIG, add_project, choice, texts_in, write_export
from tests.unit.workflows.bundles import add_whole_version

TRAIN, TEST = texts_in(Split.TRAIN, 2), texts_in(Split.TEST, 4)
WITH_PEOPLE = CONFIG.replace("</View>", '<Labels name="people" toName="text"><Label value="PER"/></Labels></View>')


@pytest.fixture
def project(services: Services) -> Project:
    """Three of four test rows are Shipping, one is Billing."""
    project = add_project(services, [*TRAIN, *TEST])
    for task_id, label in enumerate(["Shipping"] * 5 + ["Billing"], start=1):
        services.studio.submit_annotation(task_id, {"result": choice(label)})
    return project


@pytest.fixture
def export(services: Services, project: Project, tmp_path: Path) -> Path:
    return write_export(services, tmp_path / "export.json")


@pytest.fixture
def version(services: Services, project: Project) -> ModelVersion:
    """A version that answers every text with Shipping."""
    return add_whole_version(services, project, "Shipping")


def written(path: Path, content: Sequence[object]) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_snapshot_is_scored_on_its_test_rows(services: Services, project: Project, version: ModelVersion) -> None:
    report = EvaluationReport.on_snapshot(services, version.path, export_project(services, project).path)

    assert (report.model_version, report.overlap, report.warnings) == (version.name, 0, ())
    found = report.to_json()
    assert (found["rows"], found["accuracy"], found["overlap"]) == (4, 0.75, 0)


def test_an_export_is_scored_on_every_reviewed_row_and_training_rows_are_pointed_out(
    services: Services, project: Project, export: Path
) -> None:
    version = add_whole_version(services, project, "Shipping", trained_on=[TRAIN[0], TRAIN[1].upper()])

    report = EvaluationReport.on_export(services, version.path, export, CONFIG)

    assert (report.to_json()["rows"], report.overlap) == (6, 2)
    assert report.warnings == (
        "2 of 6 rows have a text that this version was trained on, so its metrics are flattered",
    )


def test_what_an_export_holds_and_is_not_scored_is_told(
    services: Services, version: ModelVersion, export: Path
) -> None:
    tasks = json.loads(export.read_text())
    tasks[0]["annotations"] = []
    tasks[1]["annotations"][0]["result"] = [*choice("Shipping"), *choice("Billing")]
    tasks[2]["annotations"][0]["result"] = choice("Gone")

    report = EvaluationReport.on_export(services, version.path, written(export, tasks), CONFIG)

    assert [(str(each.reason), each.control, each.task_ids) for each in report.reasons] == [
        ("not_annotated", "", (1,)),
        ("no_answer", "", (2,)),
        ("unknown_label", "", (3,)),
        ("unknown_label", "category", (3,)),
        ("contradictory", "category", (2,)),
    ]
    found = report.to_json()
    assert (found["rows"], found["reasons"][0]["reason"]) == (3, "not_annotated")


def test_a_snapshot_tells_what_was_left_out_of_it(services: Services, project: Project, version: ModelVersion) -> None:
    services.studio.submit_annotation(1, {"result": choice("Billing"), "completed_by": 2})
    snapshot = export_project(services, project)

    report = EvaluationReport.on_snapshot(services, version.path, snapshot.path)

    assert [(str(each.reason), each.task_ids) for each in report.reasons] == [("unresolved", (1,))]


def test_labels_that_the_version_cannot_give_are_pointed_out(
    services: Services, version: ModelVersion, export: Path
) -> None:
    config = CONFIG.replace('<Choice value="Returns"/>', '<Choice value="Refunds"/>')
    tasks = json.loads(export.read_text())
    tasks[0]["annotations"][0]["result"] = choice("Refunds")

    report = EvaluationReport.on_export(services, version.path, written(export, tasks), config)

    assert report.warnings == ("1 rows have a label that this version cannot give (Refunds)",)


def test_a_snapshot_without_test_rows_is_refused(services: Services) -> None:
    project = add_project(services, TRAIN)
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    version = add_whole_version(services, project)

    with pytest.raises(SnapshotError, match="has no test rows"):
        EvaluationReport.on_snapshot(services, version.path, export_project(services, project).path)


def test_rows_of_another_control_are_refused(services: Services, version: ModelVersion, export: Path) -> None:
    other = CONFIG.replace('name="category"', 'name="topic"')
    export.write_text(export.read_text().replace('"category"', '"topic"'))

    with pytest.raises(UnsupportedLabelConfig, match="answers 'category', the rows hold 'topic'"):
        EvaluationReport.on_export(services, version.path, export, other)


def test_several_controls_are_scored_each_on_the_rows_that_answer_it(
    services: Services, version: ModelVersion, export: Path
) -> None:
    """The version answers one of two controls; the other is no part of its report."""
    report = EvaluationReport.on_export(services, version.path, export, WITH_PEOPLE)

    assert set(report.evaluations) == {"category"}
    assert report.to_json()["rows"] == 6


def test_a_version_of_several_controls_reports_them_by_name(services: Services, tmp_path: Path) -> None:
    project = add_project(services, TEST, label_config=WITH_PEOPLE)
    version = add_whole_version(services, project, "Shipping")
    for task_id in services.studio.tasks:
        services.studio.submit_annotation(task_id, {"result": choice("Shipping") if task_id < 3 else []})

    document = EvaluationReport.on_snapshot(services, version.path, export_project(services, project).path).to_json()

    assert set(document) == {"model_version", "overlap", "warnings", "reasons", "slices", "controls"}
    # Nothing marked is an answer, nothing chosen is none.
    assert {name: found["rows"] for name, found in document["controls"].items()} == {"category": 2, "people": 4}
    assert document["controls"]["category"]["accuracy"] == 1.0
    assert document["controls"]["people"]["unanswered"] == 4


def test_an_export_without_a_reviewed_row_is_refused(services: Services, version: ModelVersion, tmp_path: Path) -> None:
    path = written(tmp_path / "empty.json", [{"id": 1, "data": {"text": "a"}, "annotations": []}])

    with pytest.raises(SnapshotError, match=r"holds no reviewed task .*: 1 task that nobody annotated \(1\)"):
        EvaluationReport.on_export(services, version.path, path, CONFIG)


def test_a_file_of_tasks_is_answered_in_order_and_nobody_is_blind(
    services: Services, version: ModelVersion, tmp_path: Path
) -> None:
    texts = [TEST[0], "", TRAIN[0]]
    path = written(tmp_path / "tasks.json", [{"id": 10 + n, "data": {"text": text}} for n, text in enumerate(texts)])

    answers = list(predict_file(services, version.path, path))

    assert [item["data"]["text"] for item, _ in answers] == texts
    labels = [[region["value"]["choices"][0] for region in prediction.result] for _, prediction in answers]
    assert labels == [["Shipping"], [], ["Shipping"]]
    assert {prediction.model_version for _, prediction in answers} == {version.name}


def test_what_cannot_be_read_is_said(services: Services, version: ModelVersion, tmp_path: Path) -> None:
    broken = tmp_path / "tasks.json"
    broken.write_text("{")

    with pytest.raises(BundleError):
        list(predict_file(services, tmp_path / "nowhere", broken))
    with pytest.raises(StudioExportError):
        list(predict_file(services, version.path, broken))


def test_texts_that_the_version_reads_in_part_are_named(
    services: Services, project: Project, tmp_path: Path, base_model: str
) -> None:
    version = add_whole_version(services, project, "Shipping", base_model=base_model)
    task = {"id": 7, "data": {"text": "card " * 63}, "annotations": [{"id": 1, "result": choice("Shipping")}]}
    short = {**task, "id": 8, "data": {"text": "card " * 62}}

    report = EvaluationReport.on_export(services, version.path, written(tmp_path / "long.json", [task, short]), CONFIG)

    (warning,) = report.warnings
    assert warning.startswith(
        "1 of 2 texts (50.0%) have more than 64 tokens, and this version does not read what comes after"
    )
    assert "(tasks 7); " in warning
