"""What becomes of webhook calls: of every action, in any order, twice, and garbled."""

from itertools import permutations
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.event import EventAction, HintKind
from ml_backend.domain.example import PrelabelOutcome, SelectedBy
from ml_backend.domain.flag import Flag
from ml_backend.domain.project import Project
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.errors import PayloadError, ProjectNotFound, UnsupportedLabelConfig
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, choice, texts_in

TEXTS = texts_in(Split.TRAIN, 2)
UNSERVABLE = CONFIG.replace('choice="single"', 'choice="single" perRegion="true"')


NOTHING = {"status": "ok", "new_events": 0}


@pytest.fixture
def project(services: Services) -> Project:
    """Two tasks that nobody has labeled."""
    return add_project(services, TEXTS)


def send(services: Services, body: object) -> dict[str, Any]:
    return receive(services, parse_webhook(body))


def submit(services: Services, task_id: int = 1, label: str = "Billing", **more: Any) -> dict[str, Any]:
    annotation = {"result": choice(label), "lead_time": 3.5, "completed_by": 7, **more}
    return dict(services.studio.submit_annotation(task_id, annotation))


def test_a_created_annotation_is_stored_with_what_the_api_will_not_tell_later(
    services: Services, project: Project
) -> None:
    predicted = services.studio.predict_in_editor(1, Prediction(tuple(choice("Billing")), 0.9, "tickets-1-v1"))
    services.studio.update_project(1, {"model_version": "tickets-1-v1", "sampling": "Uncertainty sampling"})
    stored = submit(services, parent_prediction=predicted)

    received = send(services, services.studio.event("ANNOTATION_CREATED", stored["id"]))

    assert received == {"status": "ok", "new_events": 1}
    event = services.database.events.last_received(project.id)
    assert event is not None
    assert (event.action, event.annotation_id, event.task_id, event.annotator) == (EventAction.CREATED, 1, 1, "7")
    assert (event.prelabel, event.model_version) == (PrelabelOutcome.ACCEPTED, "tickets-1-v1")
    assert (event.selected_by, event.is_blind) == (SelectedBy.ACTIVE, True)
    assert (event.lead_time_s, event.parent_prediction, event.was_cancelled) == (3.5, predicted, False)
    assert event.received_at == services.clock()


def test_a_changed_pre_label_is_told_from_an_accepted_one(services: Services, project: Project) -> None:
    predicted = services.studio.predict_in_editor(1, Prediction(tuple(choice("Shipping")), 0.9, "tickets-1-v1"))
    services.studio.update_project(1, {"model_version": "tickets-1-v1"})
    stored = submit(services, label="Billing", parent_prediction=predicted)

    send(services, services.studio.event("ANNOTATION_CREATED", stored["id"]))

    assert services.database.events.history(1)[1].prelabel is PrelabelOutcome.CHANGED


def test_a_label_of_a_suspect_is_known_to_be_one_from_then_on(services: Services, project: Project) -> None:
    stored, other = submit(services, 1), submit(services, 2)
    send(services, services.studio.event("ANNOTATION_CREATED", stored["id"]))
    services.database.flags.put(
        Flag(
            project_id=project.id,
            task_id=1,
            kind=IssueKind.LABEL_ERROR,
            given="Billing",
            suggested=None,
            quality=0.1,
            is_held_out=False,
            is_decoy=False,
            snapshot_id="00ff",
            probabilities_from="frozen base",
            labeled_at="",
            flagged_at=services.clock(),
        )
    )

    services.studio.update_annotation(stored["id"])
    send(services, services.studio.event("ANNOTATION_UPDATED", stored["id"]))
    send(services, services.studio.event("ANNOTATION_UPDATED", other["id"]))

    history = services.database.events.history(project.id)
    assert {each.task_id: each.selected_by for each in history.values()} == {
        1: SelectedBy.SUSPECT,
        2: SelectedBy.RANDOM,
    }


def test_a_skip_is_stored_and_counts_as_no_label(services: Services, project: Project) -> None:
    stored = submit(services, was_cancelled=True)

    assert send(services, services.studio.event("ANNOTATION_CREATED", stored["id"]))["new_events"] == 1
    assert services.database.events.new_label_count(1, 0) == 0


def test_the_same_event_twice_is_one_event(services: Services, project: Project) -> None:
    body = services.studio.event("ANNOTATION_CREATED", submit(services)["id"])

    assert [send(services, body)["new_events"] for _ in range(3)] == [1, 0, 0]
    assert services.database.events.new_label_count(1, 0) == 1


def test_several_annotations_in_one_event(services: Services, project: Project) -> None:
    first, second = submit(services), submit(services, task_id=2)

    received = send(services, services.studio.event("ANNOTATIONS_CREATED", first["id"], second["id"]))

    assert received["new_events"] == 2
    history = services.database.events.history(1)
    assert {number: event.task_id for number, event in history.items()} == {first["id"]: 1, second["id"]: 2}


def test_events_in_any_order_say_the_same_about_how_a_label_stands(services: Services, project: Project) -> None:
    stored = submit(services)
    created = services.studio.event("ANNOTATION_CREATED", stored["id"])
    services.studio.annotations[stored["id"]] |= {"updated_at": "2026-01-01T13:00:00Z", "ground_truth": True}
    updated = services.studio.event("ANNOTATION_UPDATED", stored["id"])
    created["annotation"] = stored
    deleted = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": stored["id"]}], "project": created["project"]}

    for bodies in permutations([created, updated, deleted, created]):
        other = add_project(services, TEXTS[:1])
        answers = [send(services, {**body, "project": {**body["project"], "id": other.id}}) for body in bodies]
        told = [answer["new_events"] for answer in answers]

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
def test_of_a_project_that_nobody_connected_nothing_is_asked(services: Services, action: str) -> None:
    send(services, {"action": action, "tasks": [{"id": 3}], "project": {"id": 99, "label_config": CONFIG}})

    assert [services.database.hints.find(99, kind) for kind in HintKind] == [None, None]


def test_a_change_of_an_unknown_project_does_not_connect_it(services: Services) -> None:
    send(services, {"action": "PROJECT_UPDATED", "project": {"id": 99, "label_config": CONFIG}})

    assert services.database.projects.all() == []


def test_start_training_queues_a_job_and_a_second_click_returns_it(services: Services, project: Project) -> None:
    body = {"action": "START_TRAINING", "project": services.studio.project_json(1)}

    first, second = send(services, body), send(services, body)

    job = services.database.jobs.get(first["job"])
    assert (job.kind, job.project_id, job.params["trigger"]) == ("train", 1, "label-studio")
    assert second == first


def test_start_training_connects_a_project_that_was_never_seen(services: Services) -> None:
    body = {"action": "START_TRAINING", "project": {"id": 5, "title": "Fresh", "label_config": CONFIG}}

    received = send(services, body)

    assert "job" in received
    assert services.database.projects.get(5).ref.key == "fresh-5"


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
    [
        {"result": None},
        {"result": [None, "text", {}]},
        {"completed_by": None},
        {"completed_by": {"id": 3, "email": "a@example.com"}},
        {"lead_time": None},
        {"updated_at": None},
        {"prediction": None},
        {"parent_prediction": 999},
    ],
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


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "START_TRAINING",
        {},
        {"action": ""},
        {"action": None},
        {"action": 5},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": "x"}, "project": {"id": 1}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": -1}, "project": {"id": 1}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 2**63}, "project": {"id": 1}},
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"no": "id"}], "project": {"id": 1}},
        {"action": "TASKS_CREATED", "tasks": ["x"], "project": {"id": 1}},
        {"action": "START_TRAINING", "project": {"id": "one"}},
    ],
)
def test_garbage_is_refused_and_leaves_no_trace(services: Services, project: Project, body: object) -> None:
    with pytest.raises(PayloadError):
        send(services, body)

    assert services.database.events.last_id(1) == 0
    assert services.database.jobs.newest() == []
