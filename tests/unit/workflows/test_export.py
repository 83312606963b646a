"""Reviewed tasks into snapshots and into files of a format."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import SelectedBy
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import SnapshotError, StudioUnreachable
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import export_file, export_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, build_test_services, choice, write_export
from tests.unit.workflows.exports import TEXTS, add_labeled_project


@pytest.fixture
def project(services: Services) -> Project:
    """As `add_labeled_project`; an event told of the first task's label."""
    project = add_labeled_project(services)
    receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", 1)))
    return project


@pytest.fixture
def export(services: Services, project: Project, tmp_path: Path) -> Path:
    return write_export(services, tmp_path / "Support Tickets.json")


def test_a_snapshot_holds_the_reviewed_tasks_in_their_splits(services: Services, project: Project) -> None:
    snapshot = export_project(services, project)

    assert dict(snapshot.manifest.counts) == {"train": 3, "validation": 1, "test": 1, "unresolved": 0, "dropped": 0}
    rows = list(SnapshotFolder(snapshot.path).rows(Split.TRAIN))
    assert [(row.input, row.targets) for row in rows] == [({"text": t}, {"category": "Billing"}) for t in TEXTS[:3]]
    assert snapshot.path.parent.parent == services.options.snapshots_folder


def test_rows_say_what_the_events_told(services: Services, project: Project) -> None:
    rows = list(SnapshotFolder(export_project(services, project).path).rows(Split.TRAIN))

    assert [row.provenance.selected_by for row in rows] == [SelectedBy.RANDOM, SelectedBy.UNKNOWN, SelectedBy.UNKNOWN]


def test_the_same_labels_give_the_same_snapshot(services: Services, project: Project) -> None:
    first, second = export_project(services, project), export_project(services, project)

    assert (first.id, first.is_new, second.id, second.is_new) == (first.id, True, first.id, False)


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


def test_a_packed_export_gives_the_same_snapshot(services: Services, export: Path) -> None:
    packed = export.with_name(f"{export.name}.gz")
    packed.write_bytes(gzip.compress(export.read_bytes()))

    first = export_file(services, export, CONFIG, SplitFractions())

    assert export_file(services, packed, CONFIG, SplitFractions()).id == first.id


def test_what_was_made_of_odd_values_stands_in_the_manifest(services: Services, export: Path) -> None:
    tasks = json.loads(export.read_text())
    tasks[0]["id"] = "own-id"
    export.write_text(json.dumps(tasks).replace('"data": {', '"data": {"x": NaN, ', 1))

    warnings = export_file(services, export, CONFIG, SplitFractions()).manifest.warnings

    assert "tasks without a whole number for an id, which got numbers: 1" in warnings
    assert "values that are NaN or infinite, which JSON does not have, read as null: 1" in warnings
