"""The policy that requests a training by itself."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.drift import DriftAlarm, DriftKind
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.job import JobState
from ml_backend.domain.project import Project
from ml_backend.errors import StudioUnreachable
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.policy import new_labels, retrain_if_due
from tests.services import add_project, build_test_services, choice


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path, retrain_after=3)


def label(
    services: Services,
    *annotation_ids: int,
    action: EventAction = EventAction.CREATED,
    at: str = "",
    project_id: int = 1,
) -> None:
    """Events that tell of annotations 1, 2, … of as many tasks. Label Studio does not know of them."""
    services.database.events.add(
        [AnnotationEvent(project_id, action, number, task_id=number, changed_at=at) for number in annotation_ids]
    )


def submit(services: Services, count: int, project_id: int = 1) -> None:
    """Annotations that Label Studio has, each with its event."""
    studio = services.studio
    studio.import_tasks(project_id, [{"data": {"text": f"text {number}"}} for number in range(count)])
    for task_id in list(studio.tasks)[-count:]:
        stored = studio.submit_annotation(task_id, {"result": choice("Billing")})
        receive(services, parse_webhook(studio.event("ANNOTATION_CREATED", stored["id"])))


def test_training_is_due_when_enough_labels_have_settled(services: Services, project: Project) -> None:
    submit(services, 2)
    services.clock.advance(3600)
    assert retrain_if_due(services, project) is None

    submit(services, 1)
    for seconds in (0, 59):
        services.clock.advance(seconds)
        assert retrain_if_due(services, project) is None
    services.clock.advance(1)

    job = retrain_if_due(services, project)
    assert job is not None
    assert TrainJob(**job.params).trigger == "policy"
    assert retrain_if_due(services, project) is None


@pytest.mark.parametrize("after", [0, 50])
def test_an_alarm_about_what_serves_starts_one_training_with_the_first_label(tmp_path: Path, after: int) -> None:
    services = build_test_services(tmp_path, retrain_after=after, retrain_on_drift=True)
    project = add_project(services)
    submit(services, 1)
    services.clock.advance(3600)
    serving, now = services.versions.serving(project), services.clock()
    alarm = DriftAlarm(project.id, "another", DriftKind.TEXTS, "strange texts", now, now)
    services.database.drift_alarms.add(alarm)
    assert retrain_if_due(services, project) is None

    services.database.drift_alarms.add(replace(alarm, version=serving))
    services.clock.advance(30)
    submit(services, 1)
    assert retrain_if_due(services, project) is None, "labeling has not paused yet"
    services.clock.advance(60)
    job = retrain_if_due(services, project)
    assert job is not None

    services.database.jobs.finish(job, JobState.SUCCEEDED, error=None)
    submit(services, 1)
    services.clock.advance(3600)
    assert retrain_if_due(services, project) is None, "the alarm has had its training"


def test_alarms_start_no_training_unless_that_is_set(services: Services, project: Project) -> None:
    submit(services, 2)
    services.clock.advance(3600)
    now = services.clock()
    alarm = DriftAlarm(project.id, services.versions.serving(project), DriftKind.ERRORS, "worse", now, now)
    services.database.drift_alarms.add(alarm)

    assert retrain_if_due(services, project) is None


@pytest.mark.parametrize("action", [EventAction.CREATED, EventAction.UPDATED])
def test_labels_that_label_studio_does_not_have_start_no_training(
    services: Services, project: Project, action: EventAction, caplog: pytest.LogCaptureFixture
) -> None:
    submit(services, 2)
    label(services, *range(9_000_000, 9_000_020), action=action)
    services.clock.advance(3600)
    assert new_labels(services, project) == 22

    assert [retrain_if_due(services, project) for _ in range(3)] == [None] * 3

    assert new_labels(services, project) == 2
    assert [message for message in caplog.messages if "20 new labels" in message] == caplog.messages
    assert "such as annotation 9000000" in caplog.text
    assert len(caplog.messages) == 1
    submit(services, 1)
    services.clock.advance(3600)
    assert retrain_if_due(services, project) is not None


def test_labels_of_another_task_or_project_start_no_training(services: Services, project: Project) -> None:
    other = add_project(services, title="Other")
    submit(services, 4, other.id)
    label(services, 1, 2, 3, 4)
    services.database.events.add(
        [AnnotationEvent(other.id, EventAction.UPDATED, number, task_id=number + 1) for number in (1, 2, 3)]
    )
    services.clock.advance(3600)

    assert retrain_if_due(services, project) is None
    assert new_labels(services, project) == 0
    assert retrain_if_due(services, other) is not None


def test_labels_that_were_there_at_the_last_snapshot_start_no_training(services: Services, project: Project) -> None:
    submit(services, 4)
    services.clock.advance(3600)
    services.database.snapshots.add(1, "abc", services.database.events.last_id(1))
    services.clock.advance(3600)
    label(services, 1, 2, 3, 4, action=EventAction.UPDATED, at=services.clock().isoformat())
    services.clock.advance(3600)

    assert new_labels(services, project) == 4
    assert retrain_if_due(services, project) is None
    assert new_labels(services, project) == 0


def test_labels_that_were_changed_since_the_last_snapshot_start_a_training(
    services: Services, project: Project
) -> None:
    submit(services, 3)
    services.clock.advance(3600)
    services.database.snapshots.add(1, "abc", services.database.events.last_id(1))
    for annotation in services.studio.annotations.values():
        annotation["updated_at"] = (services.clock() + timedelta(seconds=1)).isoformat()
        receive(services, parse_webhook(services.studio.event("ANNOTATION_UPDATED", annotation["id"])))
    services.clock.advance(3600)

    assert retrain_if_due(services, project) is not None


def test_skipped_tasks_start_no_training_whatever_events_say(services: Services, project: Project) -> None:
    submit(services, 3)
    for annotation in services.studio.annotations.values():
        annotation["was_cancelled"] = True
    services.clock.advance(3600)

    assert retrain_if_due(services, project) is None


def test_a_flood_is_asked_about_in_turns_and_once(services: Services, project: Project) -> None:
    label(services, *range(10_000, 12_500))
    submit(services, 3)
    services.clock.advance(3600)
    asked: list[int] = []
    ask = services.studio.tasks_by_id

    def count(project_id: int, task_ids: Collection[int]) -> Sequence[Task]:
        asked.append(len(task_ids))
        return ask(project_id, task_ids)

    services.studio.tasks_by_id = count
    found = [retrain_if_due(services, project) for _ in range(2)]

    assert found[0] is None
    assert found[1] is not None
    assert sum(asked) == 2503
    assert max(asked) == 200


def test_nothing_is_trained_while_label_studio_cannot_be_asked(services: Services, project: Project) -> None:
    submit(services, 3)
    services.clock.advance(3600)
    services.studio.refusals["tasks_by_id"] = StudioUnreachable("away")

    with pytest.raises(StudioUnreachable):
        retrain_if_due(services, project)
    assert new_labels(services, project) == 3

    services.studio.refusals.clear()
    assert retrain_if_due(services, project) is not None


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.ABANDONED])
def test_two_trainings_keep_their_distance(services: Services, project: Project, state: JobState) -> None:
    submit(services, 3)
    services.clock.advance(60)
    job = retrain_if_due(services, project)
    assert job is not None
    services.clock.advance(3600)
    assert retrain_if_due(services, project) is None
    assert services.database.jobs.claim() is not None
    services.database.jobs.finish(job, state)

    services.clock.advance(599)
    assert retrain_if_due(services, project) is None
    services.clock.advance(1)
    assert retrain_if_due(services, project) is not None


def test_no_policy_no_training(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, retrain_after=0)
    project = add_project(services)
    label(services, *range(100))
    services.clock.advance(3600)

    assert retrain_if_due(services, project) is None
