"""Webhook calls of every action, in any order, and forged ones, which Label Studio does not confirm."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.event import EventAction, HintKind
from ml_backend.domain.example import PrelabelOutcome, Row, SelectedBy
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ProjectNotFound, UnsupportedLabelConfig
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.project_upkeep import ProjectUpkeep
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, build_test_services, choice, texts_in
from tests.unit.workflows.audits import put_flag

TEXTS = texts_in(Split.TRAIN, 2)
NOTHING = {"status": "ok", "new_events": 0}
UNSERVABLE = CONFIG.replace('choice="single"', 'choice="single" perRegion="true"')


@pytest.fixture
def project(services: Services) -> Project:
    """Two tasks that nobody has labeled."""
    return add_project(services, TEXTS)


def send(services: Services, body: object) -> dict[str, Any]:
    return receive(services, parse_webhook(body))


def submit(services: Services, task_id: int = 1, label: str = "Billing", **more: Any) -> dict[str, Any]:
    annotation = {"result": choice(label), "lead_time": 3.5, "completed_by": 7, **more}
    return dict(services.studio.submit_annotation(task_id, annotation))


def tell(services: Services, action: str, annotation: dict[str, Any]) -> dict[str, Any]:
    """The event that Label Studio sends of an annotation."""
    return send(services, services.studio.event(action, annotation["id"]))


def test_a_created_annotation_is_stored_with_what_the_api_will_not_tell_later(
    services: Services, project: Project
) -> None:
    predicted = services.studio.predict_in_editor(1, Prediction(tuple(choice("Billing")), 0.9, "tickets-1-v1"))
    services.studio.update_project(1, {"model_version": "tickets-1-v1", "sampling": "Uncertainty sampling"})
    stored = submit(services, parent_prediction=predicted)

    received = tell(services, "ANNOTATION_CREATED", stored)

    assert received == {"status": "ok", "new_events": 1}
    event = services.database.events.last_received(project.id)
    assert event is not None
    assert (event.action, event.annotation_id, event.task_id, event.annotator) == (EventAction.CREATED, 1, 1, "7")
    assert (event.prelabel, event.model_version) == (PrelabelOutcome.ACCEPTED, "tickets-1-v1")
    assert (event.selected_by, event.is_blind) == (SelectedBy.ACTIVE, True)
    assert (event.lead_time_s, event.parent_prediction, event.was_cancelled) == (3.5, predicted, False)
    assert event.received_at == services.clock()


def test_a_label_of_a_suspect_is_known_to_be_one_from_then_on(services: Services, project: Project) -> None:
    stored, other = submit(services, 1), submit(services, 2)
    tell(services, "ANNOTATION_CREATED", stored)
    put_flag(services)

    services.studio.update_annotation(stored["id"])
    tell(services, "ANNOTATION_UPDATED", stored)
    tell(services, "ANNOTATION_UPDATED", other)

    history = services.database.events.history(project.id).values()
    assert {each.task_id: each.selected_by for each in history} == {1: SelectedBy.SUSPECT, 2: SelectedBy.RANDOM}


def test_events_in_any_order_say_the_same_about_how_a_label_stands(services: Services, project: Project) -> None:
    stored = submit(services)
    created = services.studio.event("ANNOTATION_CREATED", stored["id"])
    services.studio.annotations[stored["id"]] |= {"updated_at": "2026-01-01T13:00:00Z", "ground_truth": True}
    updated = services.studio.event("ANNOTATION_UPDATED", stored["id"])
    created["annotation"] = stored
    deleted = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": stored["id"]}], "project": created["project"]}

    for bodies in permutations([created, updated, deleted, created]):
        other = add_project(services, TEXTS[:1])
        told = [
            send(services, {**body, "project": {**body["project"], "id": other.id}})["new_events"] for body in bodies
        ]

        event = services.database.events.history(other.id)[stored["id"]]
        assert sum(told) == 3
        assert (event.task_id, event.ground_truth) == (1, True)
        assert services.database.events.new_label_count(other.id, 0) == 1


def test_a_deletion_of_an_annotation_never_heard_of_is_stored_without_a_task(
    services: Services, project: Project
) -> None:
    body = {
        "action": "ANNOTATIONS_DELETED",
        "annotations": [{"id": 41}, {"id": 42}],
        "project": services.studio.project_json(1),
    }

    assert send(services, body)["new_events"] == 2
    assert {event.task_id for event in services.database.events.history(1).values()} == {None}
    assert send(services, body)["new_events"] == 0


def test_events_of_a_project_never_connected_are_kept_for_later(services: Services, project: Project) -> None:
    body = services.studio.event("ANNOTATION_CREATED", submit(services, task_id=2)["id"])
    body["project"]["id"] = 99

    assert send(services, body)["new_events"] == 1
    assert services.database.events.history(99)[1].is_blind is False
    assert services.database.projects.find(99) is None


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("TASKS_CREATED", HintKind.TASKS),
        ("TASK_CREATED", HintKind.TASKS),
        ("PROJECT_UPDATED", HintKind.SETTINGS),
    ],
)
def test_what_a_project_has_become_is_left_to_be_asked(
    services: Services, project: Project, action: str, kind: HintKind
) -> None:
    forged = {"title": "Taken over", "label_config": CONFIG.replace("Billing", "Forged"), "sampling": "x"}
    body = {"action": action, "tasks": [{"id": 3}], "project": services.studio.project_json(1) | forged}

    assert [send(services, body), send(services, body)] == [NOTHING] * 2

    assert services.database.projects.get(1) == project
    assert services.database.jobs.newest() == []
    assert services.database.hints.find(1, kind) == services.clock()


@pytest.mark.parametrize("action", ["TASKS_CREATED", "PROJECT_UPDATED"])
def test_a_project_that_nobody_connected_is_not_asked_about_and_stays_unknown(services: Services, action: str) -> None:
    send(services, {"action": action, "tasks": [{"id": 3}], "project": {"id": 99, "label_config": CONFIG}})

    assert [services.database.hints.find(99, kind) for kind in HintKind] == [None, None]
    assert services.database.projects.all() == []


def test_start_training_queues_a_job_and_a_second_click_returns_it(services: Services, project: Project) -> None:
    body = {"action": "START_TRAINING", "project": services.studio.project_json(1)}

    first, second = send(services, body), send(services, body)

    job = services.database.jobs.get(first["job"])
    assert (job.kind, job.project_id, job.params["trigger"]) == ("train", 1, "label-studio")
    assert second == first


def test_start_training_of_what_cannot_be_served_is_an_error(services: Services) -> None:
    with pytest.raises(UnsupportedLabelConfig):
        send(services, {"action": "START_TRAINING", "project": {"id": 5, "label_config": UNSERVABLE}})
    with pytest.raises(ProjectNotFound, match="labelloop connect 5"):
        send(services, {"action": "START_TRAINING", "project": {"id": 5}})

    assert services.database.jobs.newest() == []


@pytest.mark.parametrize(
    "action", ["TASKS_DELETED", "LABEL_LINK_CREATED", "LABELLOOP_DOCTOR", "PROJECT_CREATED", "something else"]
)
def test_other_actions_change_nothing(services: Services, project: Project, action: str) -> None:
    body = {"action": action, "tasks": [{"id": 1}], "project": services.studio.project_json(1)}

    assert send(services, body) == NOTHING
    assert services.database.events.last_id(1) == 0
    assert services.database.jobs.newest() == []


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "TASKS_CREATED", "START_TRAINING", "PROJECT_UPDATED"])
def test_a_webhook_without_payload_changes_nothing(services: Services, project: Project, action: str) -> None:
    assert send(services, {"action": action}) == NOTHING
    assert services.database.jobs.newest() == []


@pytest.mark.parametrize(
    "change",
    [{"lead_time": None}, {"updated_at": None}, {"prediction": None}, {"parent_prediction": 999}],
)
def test_annotations_with_holes_are_stored_as_far_as_they_go(
    services: Services, project: Project, change: dict[str, Any]
) -> None:
    body = services.studio.event("ANNOTATION_CREATED", submit(services)["id"])
    body["annotation"] = body["annotation"] | change

    assert send(services, body)["new_events"] == 1


@pytest.mark.parametrize("data", [None, {}, {"text": None}, {"text": "x" * 1_000_000}, "no object"])
def test_what_a_task_holds_is_not_looked_at(services: Services, project: Project, data: object) -> None:
    body = services.studio.event("ANNOTATION_CREATED", submit(services)["id"])
    body["task"] = {"id": 1, "data": data}

    assert send(services, body)["new_events"] == 1


FIRST, SECOND, UNLABELED = texts_in(Split.TRAIN, 3)
(HELD_OUT,) = texts_in(Split.TEST, 1)


@pytest.fixture
def labeled_project(services: Services) -> Project:
    """Tasks 1 and 2 are for training, task 3 is held out; annotations 1 to 3 are theirs, and no event told of them."""
    project = add_project(services, [FIRST, SECOND, HELD_OUT, UNLABELED])
    for task_id in (1, 2, 3):
        services.studio.submit_annotation(task_id, {"result": choice("Billing"), "completed_by": 7, "lead_time": 2.0})
    return project


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
    services: Services, labeled_project: Project, tmp_path: Path, claims: dict[str, Any], action: str
) -> None:
    tell_the_truth(services)
    before = rows(services, labeled_project)

    late = {"updated_at": "2026-02-01T00:00:00Z", **claims}
    forge(services, 1, action, **late)
    assert rows(services, labeled_project) == before
    send(
        services,
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}, {"id": 3}], "project": {"id": labeled_project.id}},
    )
    assert rows(services, labeled_project) == before


@pytest.mark.parametrize("updated_at", [None, "2026-01-01T12:30:00Z", "2027-01-01T00:00:00Z"])
@pytest.mark.parametrize("is_imported", [True, False])
def test_a_forged_star_settles_nothing(
    services: Services, labeled_project: Project, updated_at: str | None, is_imported: bool
) -> None:
    stored = services.studio.submit_annotation(
        1, {"result": choice("Shipping"), "completed_by": 8, "ground_truth": is_imported}
    )
    forge(services, stored["id"], ground_truth=True, updated_at=updated_at or stored["updated_at"])

    assert [row.task_id for row in rows(services, labeled_project)] == [2, 3]


def test_a_true_star_settles_a_disagreement(services: Services, labeled_project: Project) -> None:
    stored = services.studio.submit_annotation(1, {"result": choice("Shipping"), "completed_by": 8})
    services.studio.update_annotation(stored["id"], {"ground_truth": True})
    send(services, services.studio.event("ANNOTATION_UPDATED", stored["id"]))

    assert [(row.task_id, row.targets["category"]) for row in rows(services, labeled_project)] == [
        (1, "Shipping"),
        (2, "Billing"),
        (3, "Billing"),
    ]


def test_events_of_another_project_change_no_row(services: Services, labeled_project: Project) -> None:
    tell_the_truth(services)
    other = add_project(services, [SECOND], title="Other")
    stored = services.studio.submit_annotation(5, {"result": choice("Returns")})
    before = rows(services, labeled_project)

    body = services.studio.event("ANNOTATION_UPDATED", stored["id"])
    send(services, {**body, "project": {"id": labeled_project.id}})
    body = services.studio.event("ANNOTATION_CREATED", 1)
    send(services, {**body, "project": {"id": other.id}})

    assert rows(services, labeled_project) == before
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


def test_imports_that_are_forged_start_no_push(services: Services, labeled_project: Project) -> None:
    assert [imported(services, labeled_project) for _ in range(3)] == [JobState.SUCCEEDED, None, None]

    services.studio.import_tasks(labeled_project.id, [{"data": {"text": "one more"}}])
    assert [imported(services, labeled_project) for _ in range(2)] == [JobState.SUCCEEDED, None]


def test_an_import_beside_a_push_is_looked_into_after_it(services: Services, labeled_project: Project) -> None:
    send(services, {"action": "TASKS_CREATED", "tasks": [], "project": {"id": labeled_project.id}})
    upkeep = ProjectUpkeep(services, again_s=0)
    upkeep.run()
    first = services.database.jobs.claim()
    assert first is not None
    push_missing(services, labeled_project, services.cold_start(labeled_project))
    services.studio.import_tasks(labeled_project.id, [{"data": {"text": "came while the push was ending"}}])
    send(services, {"action": "TASKS_CREATED", "tasks": [], "project": {"id": labeled_project.id}})

    upkeep.run()
    assert len(services.database.jobs.newest()) == 1
    services.database.jobs.finish(first, JobState.SUCCEEDED)
    upkeep.run()

    assert len(services.database.jobs.newest()) == 2


def test_a_push_that_fails_is_not_asked_for_again_at_once(services: Services, labeled_project: Project) -> None:
    services.studio.dropped_tasks = {4}

    assert [imported(services, labeled_project) for _ in range(3)] == [JobState.FAILED, None, None]
    services.clock.advance(601)
    services.studio.dropped_tasks = set()
    ProjectUpkeep(services, again_s=0).run()

    last = services.database.jobs.last("prelabel", labeled_project.id)
    assert last is not None
    assert last.state is JobState.QUEUED


def test_imports_start_no_push_where_that_is_switched_off(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, auto_push=False)

    assert imported(services, add_project(services, [FIRST])) is None
