"""Forged events under the webhook's credentials: labelloop believes nothing that Label Studio denies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.project_upkeep import ProjectUpkeep
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from tests.services import add_project, build_test_services, choice, texts_in

FIRST, SECOND, UNLABELED = texts_in(Split.TRAIN, 3)
(HELD_OUT,) = texts_in(Split.TEST, 1)


@pytest.fixture
def project(services: Services) -> Project:
    """Tasks 1 and 2 are for training, task 3 is held out; annotations 1 to 3 are theirs, and no event told of them."""
    project = add_project(services, [FIRST, SECOND, HELD_OUT, UNLABELED])
    for task_id in (1, 2, 3):
        services.studio.submit_annotation(task_id, {"result": choice("Billing"), "completed_by": 7, "lead_time": 2.0})
    return project


def send(services: Services, body: Mapping[str, Any]) -> None:
    receive(services, parse_webhook(body))


def tell_the_truth(services: Services) -> None:
    for number in (1, 2, 3):
        send(services, services.studio.event("ANNOTATION_CREATED", number))


def forge(services: Services, number: int, action: str = "ANNOTATION_UPDATED", text: str = "", **claims: Any) -> None:
    """An event of an annotation that Label Studio has, with other claims than its own."""
    body = services.studio.event(action, number)
    body["annotation"] = body["annotation"] | claims
    body["task"] = {"id": body["annotation"]["task"], "data": {"text": text or FIRST}}
    send(services, body)


def rows(services: Services, project: Project) -> list[Row]:
    snapshot = export_project(services, project)
    return [row for split in Split for row in SnapshotFolder(snapshot.path).rows(split)]


FORGERIES: tuple[dict[str, Any], ...] = (
    {"task": 2},
    {"task": 99, "text": HELD_OUT},
    {"completed_by": 8, "text": HELD_OUT},
    {"ground_truth": True, "updated_at": "2030-01-01T00:00:00Z"},
    {"updated_at": "2020-01-01T00:00:00Z", "text": HELD_OUT},
    {"updated_at": None, "result": choice("Shipping")},
    {"parent_prediction": 5, "prediction": {"id": 5, "result": choice("Billing"), "model_version": "v"}},
    {"was_cancelled": True},
)


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
@pytest.mark.parametrize("claims", FORGERIES, ids=str)
def test_forged_events_change_no_row(
    services: Services, project: Project, tmp_path: Path, claims: dict[str, Any], action: str
) -> None:
    tell_the_truth(services)
    before = rows(services, project)

    late = {"updated_at": "2026-02-01T00:00:00Z", **claims}
    forge(services, 1, action, **late)
    assert rows(services, project) == before
    send(
        services,
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}, {"id": 3}], "project": {"id": project.id}},
    )
    assert rows(services, project) == before


@pytest.mark.parametrize("updated_at", [None, "2026-01-01T12:30:00Z", "2027-01-01T00:00:00Z"])
@pytest.mark.parametrize("is_imported", [True, False])
def test_a_forged_star_settles_nothing(
    services: Services, project: Project, updated_at: str | None, is_imported: bool
) -> None:
    stored = services.studio.submit_annotation(
        1, {"result": choice("Shipping"), "completed_by": 8, "ground_truth": is_imported}
    )
    forge(services, stored["id"], ground_truth=True, updated_at=updated_at or stored["updated_at"])

    assert [row.task_id for row in rows(services, project)] == [2, 3]


def test_a_true_star_settles_a_disagreement(services: Services, project: Project) -> None:
    stored = services.studio.submit_annotation(1, {"result": choice("Shipping"), "completed_by": 8})
    services.studio.update_annotation(stored["id"], {"ground_truth": True})
    send(services, services.studio.event("ANNOTATION_UPDATED", stored["id"]))

    assert [(row.task_id, row.targets["category"]) for row in rows(services, project)] == [
        (1, "Shipping"),
        (2, "Billing"),
        (3, "Billing"),
    ]


def test_events_of_another_project_change_no_row(services: Services, project: Project) -> None:
    tell_the_truth(services)
    other = add_project(services, [SECOND], title="Other")
    stored = services.studio.submit_annotation(5, {"result": choice("Returns")})
    before = rows(services, project)

    body = services.studio.event("ANNOTATION_UPDATED", stored["id"])
    send(services, {**body, "project": {"id": project.id}})
    body = services.studio.event("ANNOTATION_CREATED", 1)
    send(services, {**body, "project": {"id": other.id}})

    assert rows(services, project) == before
    assert [row.provenance.selected_by for row in rows(services, other)] == ["unknown"]


def imported(services: Services, project: Project) -> JobState | None:
    """Return the state of the push that a forged import queued, after it has run; None where there was no push."""
    known = services.database.jobs.last("prelabel", project.id)
    send(services, {"action": "TASKS_CREATED", "tasks": [{"id": 999}], "project": {"id": project.id}})
    ProjectUpkeep(services, again_s=0).run()
    job = services.database.jobs.last("prelabel", project.id)
    if job is None or job == known:
        return None
    while (claimed := services.database.jobs.claim()) is not None:
        services.launcher.launch(claimed)
    return services.database.jobs.get(job.id).state


def test_imports_that_are_forged_start_no_push(services: Services, project: Project) -> None:
    assert [imported(services, project) for _ in range(3)] == [JobState.SUCCEEDED, None, None]

    services.studio.import_tasks(project.id, [{"data": {"text": "one more"}}])
    assert [imported(services, project) for _ in range(2)] == [JobState.SUCCEEDED, None]


def test_an_import_beside_a_push_is_looked_into_after_it(services: Services, project: Project) -> None:
    send(services, {"action": "TASKS_CREATED", "tasks": [], "project": {"id": project.id}})
    upkeep = ProjectUpkeep(services, again_s=0)
    upkeep.run()
    first = services.database.jobs.claim()
    assert first is not None
    push_missing(services, project, services.cold_start(project))
    services.studio.import_tasks(project.id, [{"data": {"text": "came while the push was ending"}}])
    send(services, {"action": "TASKS_CREATED", "tasks": [], "project": {"id": project.id}})

    upkeep.run()
    assert len(services.database.jobs.newest()) == 1
    services.database.jobs.finish(first, JobState.SUCCEEDED)
    upkeep.run()

    assert len(services.database.jobs.newest()) == 2


def test_a_push_that_fails_is_not_asked_for_again_at_once(services: Services, project: Project) -> None:
    services.studio.dropped_tasks = {4}

    assert [imported(services, project) for _ in range(3)] == [JobState.FAILED, None, None]
    services.clock.advance(601)
    services.studio.dropped_tasks = set()
    ProjectUpkeep(services, again_s=0).run()

    last = services.database.jobs.last("prelabel", project.id)
    assert last is not None
    assert last.state is JobState.QUEUED


def test_imports_start_no_push_where_that_is_switched_off(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, auto_push=False)

    assert imported(services, add_project(services, [FIRST])) is None
