"""Labels whose events never came."""

from datetime import timedelta

import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import SelectedBy
from ml_backend.domain.project import Project
from ml_backend.errors import StudioRejected, StudioUnauthorized, StudioUnreachable
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.worker import Worker
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.reconcile import TASKS_AT_ONCE, MissedLabels
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.policy import new_labels
from tests.services import add_project, add_studio_project, choice

TEXTS = [f"message number {number}" for number in range(8)]


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, TEXTS)


@pytest.fixture
def missed(services: Services) -> MissedLabels:
    return MissedLabels(services, again_s=0, pause_s=0)


def label(services: Services, task_id: int, *, is_told: bool = False, **more: object) -> int:
    stored = services.studio.submit_annotation(task_id, {"result": choice("Billing"), **more})
    if is_told:
        receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", stored["id"])))
    return int(stored["id"])


def later(services: Services) -> None:
    """Label Studio's clock moves with each label, labelloop's only when the test moves it."""
    services.clock.advance(3600)


def test_labels_that_no_event_told_of_are_counted_once(
    services: Services, project: Project, missed: MissedLabels
) -> None:
    label(services, 1, is_told=True)
    ids = [label(services, task_id, completed_by=7, lead_time=2.5) for task_id in (2, 3, 4)]
    later(services)

    assert [missed.look() for _ in range(3)] == [3, 0, 0]
    assert new_labels(services, project) == 4
    event = services.database.events.history(1)[ids[0]]
    assert (event.task_id, event.annotator, event.lead_time_s) == (2, "7", 2.5)
    assert (event.action, event.selected_by, event.is_blind) == (EventAction.CREATED, SelectedBy.UNKNOWN, False)


def test_a_change_that_no_event_told_of_is_counted(services: Services, project: Project, missed: MissedLabels) -> None:
    annotation = label(services, 1, is_told=True)
    for _ in range(3):
        services.studio.update_annotation(annotation, {"result": choice("Shipping")})
    later(services)

    assert missed.look() == 1
    assert services.database.events.history(1)[annotation].action is EventAction.UPDATED


def test_imported_labels_are_not_what_anybody_missed(services: Services, missed: MissedLabels) -> None:
    add_project(services)
    tasks = [{"data": {"text": "a"}, "annotations": [{"result": choice("Billing"), "lead_time": 3.0}]}]
    services.studio.import_tasks(1, tasks)
    later(services)
    assert missed.look() == 0

    services.studio.update_annotation(1)

    assert missed.look() == 1


def test_a_label_whose_event_may_be_on_its_way_is_waited_for(
    services: Services, project: Project, missed: MissedLabels
) -> None:
    label(services, 1)
    services.clock.advance(3)
    assert missed.look() == 0

    services.clock.advance(10)

    assert missed.look() == 1


def test_labels_of_before_the_connection_are_not_new(services: Services, missed: MissedLabels) -> None:
    info = add_studio_project(services, ["a"])
    label(services, 1)
    later(services)
    connected = remember_project(services, info.id, info.label_config)
    just_before = connected.connected_at - timedelta(seconds=1)
    services.studio.annotations[1]["updated_at"] = just_before.isoformat()
    later(services)

    assert missed.look() == 0


def test_what_is_in_the_newest_snapshot_is_not_counted_again(
    services: Services, project: Project, missed: MissedLabels
) -> None:
    label(services, 1)
    later(services)
    assert missed.look() == 1
    export_project(services, project)
    afterwards = MissedLabels(services)  # a worker that starts now

    assert (afterwards.look(), new_labels(services, project)) == (0, 0)


def test_many_are_found_page_by_page(services: Services) -> None:
    count = 2 * TASKS_AT_ONCE + 50
    project = add_project(services, [f"text {number}" for number in range(count)])
    for task_id in range(1, count + 1):
        label(services, task_id)
    later(services)
    missed = MissedLabels(services, again_s=0)

    assert [missed.look() for _ in range(4)] == [TASKS_AT_ONCE, TASKS_AT_ONCE, 50, 0]
    assert new_labels(services, project) == count


@pytest.mark.parametrize(
    "failure",
    [StudioUnreachable("away"), StudioUnreachable("no URL", is_passing=False), StudioUnauthorized("no token")],
)
def test_where_label_studio_cannot_be_asked_it_is_asked_later(
    services: Services, project: Project, failure: Exception
) -> None:
    label(services, 1)
    later(services)
    services.studio.refusals["labeled_since"] = failure
    patient, missed = MissedLabels(services, again_s=0), MissedLabels(services, again_s=0, pause_s=0)
    assert (patient.look(), missed.look()) == (0, 0)
    del services.studio.refusals["labeled_since"]

    assert (patient.look(), missed.look()) == (0, 1)


def test_nothing_more_than_the_list_is_read_while_nothing_changes(
    services: Services, project: Project, missed: MissedLabels
) -> None:
    label(services, 1, is_told=True)
    later(services)
    missed.look()
    services.studio.refusals["tasks_by_id"] = AssertionError("it was asked for the tasks again")

    assert [missed.look() for _ in range(3)] == [0, 0, 0]


def test_the_worker_counts_what_an_annotator_did_while_events_were_lost(services: Services, project: Project) -> None:
    for task_id in (1, 2, 3):
        label(services, task_id)
    later(services)

    Worker(services).step()

    assert new_labels(services, project) == 3


@pytest.mark.parametrize("time", ["soon", "", "2026-01-01T12:00:00", "2999-01-01T12:00:00Z"])
def test_an_event_with_another_time_or_none_hides_no_label(
    services: Services, project: Project, missed: MissedLabels, time: str
) -> None:
    annotation = label(services, 1)
    services.database.events.add([AnnotationEvent(1, EventAction.CREATED, annotation, task_id=1, changed_at=time)])
    later(services)

    assert [missed.look() for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_project_that_label_studio_refuses_to_speak_of_keeps_none_other_waiting(
    services: Services, project: Project, missed: MissedLabels, status: int
) -> None:
    add_project(services, ["a"], title="Other")
    label(services, len(TEXTS) + 1)
    later(services)
    services.studio.hiccups["labeled_since"] = [StudioRejected("no", status=status)]

    assert missed.look() == 1


def test_each_project_has_its_turn(services: Services) -> None:
    for number in range(25):
        add_project(services, ["a"], title=f"Project {number}")
        label(services, number + 1)
    later(services)
    missed = MissedLabels(services, again_s=3600)

    assert [missed.look() for _ in range(4)] == [10, 10, 5, 0]
