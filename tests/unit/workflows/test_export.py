"""Reviewed tasks into snapshots and into files of a format."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import SelectedBy
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import ConfigurationError, SnapshotError, StudioExportError, StudioUnreachable
from ml_backend.exporters.base import ExportRequest
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.exporting.formats import export_format, export_format_of_file
from ml_backend.workflows.exporting.snapshots import export_file, export_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, build_test_services, choice, texts_in, write_export

TEXTS = [*texts_in(Split.TRAIN, 4), *texts_in(Split.VALIDATION, 1), *texts_in(Split.TEST, 1)]
TWO_CONTROLS = CONFIG.replace(
    "</View>", '<Choices name="tone" toName="text"><Choice value="calm"/><Choice value="cross"/></Choices></View>'
)


@pytest.fixture
def project(services: Services) -> Project:
    """Every task but the fourth is labeled; an event told of the first."""
    project = add_project(services, TEXTS)
    for task_id in (1, 2, 3, 5, 6):
        services.studio.submit_annotation(task_id, {"result": choice("Billing"), "lead_time": 2.0})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", 1)))
    return project


@pytest.fixture
def export(services: Services, project: Project, tmp_path: Path) -> Path:
    return write_export(services, tmp_path / "Support Tickets.json")


def test_a_snapshot_holds_the_reviewed_tasks_in_their_splits_and_what_events_told(
    services: Services, project: Project
) -> None:
    snapshot = export_project(services, project)

    assert dict(snapshot.manifest.counts) == {"train": 3, "validation": 1, "test": 1, "unresolved": 0, "dropped": 0}
    rows = list(SnapshotFolder(snapshot.path).rows(Split.TRAIN))
    assert [(row.input, row.targets) for row in rows] == [({"text": t}, {"category": "Billing"}) for t in TEXTS[:3]]
    assert [row.provenance.selected_by for row in rows] == [SelectedBy.RANDOM, SelectedBy.UNKNOWN, SelectedBy.UNKNOWN]
    assert snapshot.path.parent.parent == services.options.snapshots_folder


def test_a_snapshot_counts_what_came_before_it_and_names_its_parent(services: Services, project: Project) -> None:
    first = export_project(services, project)
    services.clock.advance(60)
    services.studio.submit_annotation(4, {"result": choice("Shipping")})
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", 6)))

    second = export_project(services, project)

    assert (second.manifest.parent, first.manifest.parent) == (first.id, None)
    last = services.database.snapshots.last(project.id)
    assert last is not None
    assert (last.id, last.last_event_id) == (second.id, services.database.events.last_id(project.id))


def test_a_label_that_arrives_while_tasks_are_read_counts_as_new(services: Services, project: Project) -> None:
    read = services.studio.reviewed_tasks
    services.studio.submit_annotation(4, {"result": choice("Shipping")})

    def read_slowly(project_id: int) -> Any:
        receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", 6)))
        return read(project_id)

    services.studio.reviewed_tasks = read_slowly
    export_project(services, project)

    last = services.database.snapshots.last(project.id)
    assert last is not None
    assert services.database.events.new_label_count(project.id, last.last_event_id) == 1


def test_a_project_keeps_the_split_of_its_connection(services: Services, tmp_path: Path) -> None:
    later = build_test_services(tmp_path, studio=services.studio, split=SplitFractions(1, 0, 0))
    project = add_project(services, TEXTS)
    services.studio.submit_annotation(6, {"result": choice("Billing")})

    assert export_project(later, project).manifest.split == SplitFractions()


def test_the_newest_label_config_is_read(services: Services, project: Project) -> None:
    services.studio.update_project(1, {"label_config": CONFIG.replace("Returns", "Refunds")})

    snapshot = export_project(services, project)

    assert "Refunds" in snapshot.manifest.label_config
    assert "Refunds" in services.database.projects.get(1).label_config


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (None, "no annotated task at all"),
        ({"result": choice("Billing"), "was_cancelled": True}, r"1 task that annotators skipped \(1\)"),
    ],
)
def test_nothing_reviewed_is_an_error_that_says_why(
    services: Services, annotation: dict[str, Any] | None, reason: str
) -> None:
    project = add_project(services, TEXTS[:1])
    if annotation:
        services.studio.submit_annotation(1, annotation)

    wanted = rf"gives a row \(0 unresolved, {1 if annotation else 0} not reviewed\): {reason}; wanted at least one"
    with pytest.raises(SnapshotError, match=f"project 1 holds no reviewed task that {wanted}"):
        export_project(services, project)

    assert services.database.snapshots.last(1) is None


def test_a_chosen_folder_gets_the_snapshot_and_is_not_the_newest_of_the_project(
    services: Services, project: Project, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "snapshot"

    first, again = export_project(services, project, out), export_project(services, project, out)

    assert (first.path, first.is_new, again.id, again.is_new) == (out, True, first.id, False)
    names = {"manifest.json", *(f"{name}.jsonl" for name in ("dropped", "test", "train", "unresolved", "validation"))}
    assert {path.name for path in out.iterdir()} == names
    assert services.database.snapshots.last(1) is None
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_with_something_else_in_it_is_left_alone(services: Services, project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")

    with pytest.raises(SnapshotError, match="holds something else already"):
        export_project(services, project, tmp_path / "mine")

    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".labelloop-")]


def test_an_unreachable_label_studio_leaves_no_snapshot(services: Services, project: Project) -> None:
    services.studio.refusals["reviewed_tasks"] = StudioUnreachable("away")

    with pytest.raises(StudioUnreachable):
        export_project(services, project)

    assert services.database.snapshots.last(1) is None


def test_an_export_file_gives_the_same_rows_without_a_server(
    services: Services, project: Project, export: Path
) -> None:
    services.studio.refusals["project"] = StudioUnreachable("away")

    snapshot = export_file(services, export, CONFIG, SplitFractions())

    assert (snapshot.manifest.project.id, snapshot.manifest.project.slug) == (0, "support-tickets")
    assert snapshot.manifest.counts["train"] == 3
    assert {row.provenance.selected_by for row in SnapshotFolder(snapshot.path).rows(Split.TRAIN)} == {
        SelectedBy.UNKNOWN
    }


def test_a_file_that_is_no_export_is_refused(services: Services, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")

    with pytest.raises(StudioExportError):
        export_file(services, tmp_path / "x.json", CONFIG, SplitFractions())


def test_what_was_made_of_odd_values_stands_in_the_manifest(services: Services, export: Path) -> None:
    tasks = json.loads(export.read_text())
    tasks[0]["id"] = "own-id"
    export.write_text(json.dumps(tasks).replace('"data": {', '"data": {"x": NaN, ', 1))

    warnings = export_file(services, export, CONFIG, SplitFractions()).manifest.warnings

    assert "tasks without a whole number for an id, which got numbers: 1" in warnings
    assert "values that are NaN or infinite, which JSON does not have, read as null: 1" in warnings


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_live_and_offline_give_the_same_rows(
    services: Services, project: Project, export: Path, tmp_path: Path
) -> None:
    live, offline = tmp_path / "live.jsonl", tmp_path / "offline.jsonl"
    request = ExportRequest("prompt-completion")

    found = export_format(services, project, request, live)
    again = export_format_of_file(services, export, CONFIG, request, offline)

    assert (found.path, dict(found.rows), dict(again.rows)) == (live, {"rows": 5}, {"rows": 5})
    assert lines(live) == lines(offline)
    assert [line["prompt"] for line in lines(live)] == [*TEXTS[:3], *TEXTS[4:]]


@pytest.mark.parametrize("split", [None, SplitFractions(1, 0, 0)])
def test_tasks_without_a_row_are_counted_by_their_reason(
    services: Services, export: Path, tmp_path: Path, split: SplitFractions | None
) -> None:
    tasks = json.loads(export.read_text())
    tasks[0]["annotations"][0]["result"] = choice("Gone")
    tasks[1]["data"]["text"] = " "
    tasks[2]["annotations"][0]["was_cancelled"] = True
    tasks[4]["annotations"][0]["result"] = [*choice("Billing"), *choice("Shipping")]
    export.write_text(json.dumps(tasks))

    found = export_format_of_file(services, export, CONFIG, ExportRequest("csv", split=split), tmp_path / "x")

    assert (sum(found.rows.values()), found.without_row) == (1, 5)
    assert [(str(each.reason), each.control, each.task_ids) for each in found.reasons] == [
        ("not_annotated", "", (4,)),
        ("skipped", "", (3,)),
        ("empty_text", "", (2,)),
        ("no_answer", "", (5,)),
        ("unknown_label", "", (1,)),
        ("unknown_label", "category", (1,)),
        ("contradictory", "category", (5,)),
    ]


def test_a_split_is_that_of_a_snapshot(services: Services, export: Path, tmp_path: Path) -> None:
    request = ExportRequest("prompt-completion", split=SplitFractions())

    found = export_format_of_file(services, export, CONFIG, request, tmp_path / "splits")

    assert dict(found.rows) == {"train": 3, "validation": 1, "test": 1}
    prompts = {path.name: [line["prompt"] for line in lines(path)] for path in (tmp_path / "splits").iterdir()}
    assert prompts == {"train.jsonl": TEXTS[:3], "validation.jsonl": TEXTS[4:5], "test.jsonl": TEXTS[5:]}


def test_a_folder_format_has_one_split_where_none_is_asked_for(
    services: Services, export: Path, tmp_path: Path
) -> None:
    found = export_format_of_file(services, export, CONFIG, ExportRequest("datasets"), tmp_path / "out")

    assert dict(found.rows) == {"rows": 5}
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["README.md", "data/train-00000-of-00001.parquet"]


def test_a_folder_that_holds_something_is_left_alone(services: Services, export: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")

    with pytest.raises(ConfigurationError, match="mine holds something already"):
        export_format_of_file(services, export, CONFIG, ExportRequest("datasets"), tmp_path / "mine")

    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_rows_that_cannot_be_carried_are_named(services: Services, tmp_path: Path) -> None:
    project = add_project(services, TEXTS[:2], label_config=TWO_CONTROLS)
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    services.studio.submit_annotation(2, {"result": [{**choice("calm")[0], "from_name": "tone"}]})

    found = export_format(services, project, ExportRequest("openai-chat", control="tone"), tmp_path / "x")

    assert (dict(found.rows), {reason: list(ids) for reason, ids in found.left_out.items()}) == (
        {"rows": 1},
        {"no agreed answer to tone": [1]},
    )
    assert [str(each) for each in found.reasons] == [
        "1 task that the format cannot carry: 'no agreed answer to tone' (1) (1)"
    ]
    assert found.without_row == 0


def test_a_format_of_one_control_asks_which(services: Services, tmp_path: Path) -> None:
    project = add_project(services, TEXTS[:1], label_config=TWO_CONTROLS)

    with pytest.raises(ConfigurationError, match="there are category, tone; choose one: --control NAME"):
        export_format(services, project, ExportRequest("openai-chat"), tmp_path / "x")
    with pytest.raises(ConfigurationError, match="--control mood found; wanted one of category, tone"):
        export_format(services, project, ExportRequest("csv", control="mood"), tmp_path / "x")


@pytest.mark.parametrize(("format_name", "message"), [("nonesuch", "unknown export format"), ("conll", "entities")])
def test_what_a_format_cannot_do_is_said_before_anything_is_read(
    services: Services, project: Project, tmp_path: Path, format_name: str, message: str
) -> None:
    services.studio.refusals["reviewed_tasks"] = AssertionError("it was read")

    with pytest.raises(ConfigurationError, match=message):
        export_format(services, project, ExportRequest(format_name), tmp_path / "out.jsonl")

    assert not (tmp_path / "out.jsonl").exists()


def test_a_flat_export_needs_no_label_config_to_become_conversations(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "project-4.csv"
    path.write_text(
        '"annotation_id","annotator","id","instruction","prompt"\r\n50,"1",16,"Rain,\nsoft","Write a haiku"\r\n'
        '51,"1",17,"","Explain TCP"\r\n52,"1",18,"It is a protocol","Explain IP"\r\n',
        newline="",
    )

    found = export_format_of_file(
        services, path, None, ExportRequest("openai-chat", system_prompt="Be brief"), tmp_path / "chat"
    )

    assert [[(each["role"], each["content"]) for each in line["messages"]] for line in lines(tmp_path / "chat")] == [
        [("system", "Be brief"), ("user", "Write a haiku"), ("assistant", "Rain,\nsoft")],
        [("system", "Be brief"), ("user", "Explain IP"), ("assistant", "It is a protocol")],
    ]
    assert {reason: list(ids) for reason, ids in found.left_out.items()} == {"no agreed answer to instruction": [17]}
    assert found.without_row == 0


def test_a_flat_export_gives_the_same_with_its_label_config(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "project-4.csv"
    path.write_text('id,annotation_id,prompt,instruction\n16,50,Write a haiku," Rain,\nsoft "\n', newline="")
    config = template_path("generation").read_text(encoding="utf-8")

    export_format_of_file(services, path, None, ExportRequest("openai-chat"), tmp_path / "without")
    export_format_of_file(services, path, config, ExportRequest("openai-chat"), tmp_path / "with")

    assert (tmp_path / "with").read_text() == (tmp_path / "without").read_text()
    assert lines(tmp_path / "with")[0]["messages"][1] == {"role": "assistant", "content": "Rain,\nsoft"}


def test_columns_that_are_not_there_are_named(services: Services, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,answer\na,b\n")

    with pytest.raises(
        StudioExportError,
        match=r"the columns text, answer found; wanted a text under prompt, and answers under instruction, .*--control",
    ):
        export_format_of_file(services, tmp_path / "x.csv", None, ExportRequest("openai-chat"), tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_name", ["datasets", "spans", "label-studio"])
def test_formats_that_need_labels_need_the_label_config(services: Services, tmp_path: Path, format_name: str) -> None:
    (tmp_path / "x.csv").write_text("prompt,instruction\na,b\n")

    with pytest.raises(ConfigurationError, match="--config FILE"):
        export_format_of_file(services, tmp_path / "x.csv", None, ExportRequest(format_name), tmp_path / "out")
