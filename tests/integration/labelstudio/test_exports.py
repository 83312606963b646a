"""Exports against a real Label Studio: what it takes back, and what it writes itself."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.domain.annotation import ProjectInfo, Task
from ml_backend.domain.example import Provenance, Row, Span
from ml_backend.domain.reasons import ReasonCounts
from ml_backend.errors import StudioRejected
from ml_backend.exporters.base import Exporter, ExportRequest
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.files.export_file import read_export
from ml_backend.labelstudio.files.flat_export import read_flat_export
from ml_backend.labelstudio.files.flat_file import FlatFile
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from ml_backend.tasks import ServingPlan, serving_plan
from tests.kinds import Example, result_of
from tests.studio import project_with_tasks

CONFIG = """<View><Text name="text" value="$text"/>
  <Choices name="category" toName="text" required="true"><Choice value="Billing"/><Choice value="Shipping"/></Choices>
  <Choices name="tags" toName="text" choice="multiple">
    <Choice value="a"/><Choice value="b"/><Choice value="c"/></Choices>
  <Labels name="who" toName="text"><Label value="PER"/><Label value="LOC"/></Labels></View>"""
TEXTS = ["😀 Anna saw\r\nParis, \"=1+1\", 'x'", "nobody here", "Zoë and Bob\tand Rome"]


@pytest.fixture
def plan() -> ServingPlan:
    return serving_plan(parse_label_config(CONFIG))


@pytest.fixture
def project(studio_client: StudioClient, plan: ServingPlan) -> ProjectInfo:
    """Four tasks, the first answered by one control's several names and overlapping entities, the last by nobody."""
    first = (Span(2, 6, "PER"), Span(2, 17, "LOC"), Span(12, 17, "LOC"))
    examples = [
        Example(TEXTS[0], {"category": "Billing", "tags": ("a", "c"), "who": first}),
        Example(TEXTS[1], {"category": "Shipping"}),
        Example(TEXTS[2], {"category": "Billing", "tags": ("b",), "who": (Span(0, 3, "PER"), Span(8, 11, "PER"))}),
    ]
    tasks = [
        {
            "data": {"text": example.text, "secret": "never exported"},
            "annotations": [{"result": result_of(example), "lead_time": 2.5}],
        }
        for example in examples
    ]
    unanswered = {"data": {"text": "nobody looked", "secret": "never exported"}}
    return project_with_tasks(studio_client, label_config=CONFIG, tasks=[*tasks, unanswered])


def rows_of(tasks: Iterable[Task], plan: ServingPlan) -> list[Row]:
    return sorted(
        reviewed_rows(tasks, plan, BuildSettings(), lambda _task, _annotation: None, reasons=ReasonCounts()),
        key=lambda row: row.task_id,
    )


def same(rows: Iterable[Row]) -> list[Row]:
    """What must stay: not the ids and times that every Label Studio gives anew."""
    return [
        replace(row, id="", task_id=0, provenance=Provenance((), row.provenance.lead_time_s, row.provenance.prelabel))
        for row in rows
    ]


def as_in_a_file(rows: Iterable[Row]) -> list[Row]:
    """The rows as a file has them, which does not say when a task was imported."""
    return [replace(row, groups={}) for row in rows]


def written(rows: list[Row], plan: ServingPlan, path: Path, *, names_annotators: bool = True) -> Path:
    request = ExportRequest(
        "label-studio", "category", texts=plan.texts, controls=plan.controls, names_annotators=names_annotators
    )
    assert Exporter.named("label-studio").write(rows, path, request).rows == len(rows)
    return path


def test_what_was_exported_is_imported_unchanged(
    studio_client: StudioClient, project: ProjectInfo, plan: ServingPlan, tmp_path: Path
) -> None:
    rows = rows_of(studio_client.reviewed_tasks(project.id), plan)
    assert [row.targets["who"] for row in rows] == [
        (Span(2, 6, "PER"), Span(2, 17, "LOC"), Span(12, 17, "LOC")),
        (),
        (Span(0, 3, "PER"), Span(8, 11, "PER")),
    ]
    file = written(rows, plan, tmp_path / "tasks.json")

    other = studio_client.create_project("Imported", CONFIG)
    made = studio_client._http.send("POST", f"api/projects/{other.id}/import", json.loads(file.read_text()))

    assert (made["task_count"], made["annotation_count"]) == (3, 3)
    again = list(studio_client.reviewed_tasks(other.id))
    assert same(rows_of(again, plan)) == same(rows)
    assert not any(annotation.ground_truth for task in again for annotation in task.annotations)
    assert rows_of(read_export(file), plan) == as_in_a_file(rows)


def test_an_annotator_whom_label_studio_does_not_know_can_be_left_out(
    studio_client: StudioClient, project: ProjectInfo, plan: ServingPlan, tmp_path: Path
) -> None:
    rows = [
        replace(row, labels=tuple(replace(label, annotator="9999") for label in row.labels))
        for row in rows_of(studio_client.reviewed_tasks(project.id), plan)
    ]
    other = studio_client.create_project("Elsewhere", CONFIG)
    named = written(rows, plan, tmp_path / "named.json")
    unnamed = written(rows, plan, tmp_path / "unnamed.json", names_annotators=False)

    with pytest.raises(StudioRejected, match="9999"):
        studio_client._http.send("POST", f"api/projects/{other.id}/import", json.loads(named.read_text()))
    studio_client._http.send("POST", f"api/projects/{other.id}/import", json.loads(unnamed.read_text()))

    again = rows_of(studio_client.reviewed_tasks(other.id), plan)
    assert [row.targets for row in again] == [row.targets for row in rows]


@pytest.mark.parametrize(("kind", "tasks"), [(kind, tasks) for kind in ("CSV", "TSV", "JSON_MIN") for tasks in (3, 4)])
def test_flat_exports_hold_the_same_answers_as_the_json_export(
    studio_client: StudioClient, project: ProjectInfo, plan: ServingPlan, tmp_path: Path, *, kind: str, tasks: int
) -> None:
    rows = rows_of(studio_client.reviewed_tasks(project.id), plan)
    file = tmp_path / f"export.{'json' if kind == 'JSON_MIN' else kind.lower()}"
    with file.open("wb") as target:
        request = {"exportType": kind, "download_all_tasks": "true" if tasks == 4 else "false"}
        studio_client._http.download(f"api/projects/{project.id}/export", request, target)

    assert FlatFile(file).is_flat()
    assert len(list(read_flat_export(file, plan.config))) == tasks
    assert rows_of(read_flat_export(file, plan.config), plan) == as_in_a_file(rows)
