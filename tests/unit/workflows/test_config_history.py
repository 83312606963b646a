"""What changes of a label config mean, from `/setup` and PROJECT_UPDATED to the status page and the rows."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ml_backend.domain.annotation import Task
from ml_backend.domain.config_changes import Absence
from ml_backend.domain.example import Target
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.connecting.config_history import changes_between, changes_since_training, control_absences
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.project_upkeep import ProjectUpkeep
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from ml_backend.workflows.status import ProjectStatus
from tests.fakes import FakeClock
from tests.services import CONFIG, add_project, add_version, build_test_services, choice, texts_in

BEGINNING = datetime.min.replace(tzinfo=UTC)
WITHOUT_RETURNS = CONFIG.replace('<Choice value="Returns"/>', "")
PARTS = '<Labels name="parts" toName="text"><Label value="Number"/></Labels>'
WITH_PARTS = CONFIG.replace("</View>", f"{PARTS}</View>")
LOST = ("'category' no longer has 'Returns': annotations with such a label are left out, and it is never suggested.",)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Services:
    return build_test_services(tmp_path, clock=clock)


def champion(services: Services, project: Project, label: str = "Shipping") -> str:
    version = add_version(services, project, label)
    Promoter(services).promote(project, version.name, reason="better")
    return version.name


def test_only_controls_that_are_served_are_spoken_of() -> None:
    rating = CONFIG.replace("</View>", '<Rating name="stars" toName="text" perRegion="true"/></View>')

    assert changes_between(CONFIG, rating) == ()
    assert changes_between(rating, WITHOUT_RETURNS) == LOST


def test_a_config_that_could_not_be_read_any_more_is_unlike_the_one_now() -> None:
    assert changes_between("<View>", CONFIG) == (
        "what serves was trained for other controls or labels than the label config has now.",
    )


def test_a_cold_start_follows_the_label_config(services: Services) -> None:
    add_project(services)
    project = remember_project(services, 1, WITHOUT_RETURNS)

    assert changes_since_training(services, project) == ()


def test_the_status_tells_what_has_changed_since_the_champion_was_trained(services: Services) -> None:
    champion(services, add_project(services))
    project = remember_project(services, 1, WITHOUT_RETURNS)
    assert ProjectStatus.of(services, project).config_changes == LOST

    champion(services, project)
    assert ProjectStatus.of(services, project).config_changes == ()

    Promoter(services).rollback(project, reason="worse")
    assert ProjectStatus.of(services, project).config_changes == LOST

    project = remember_project(services, 1, CONFIG)
    assert ProjectStatus.of(services, project).config_changes == ()


def test_a_champion_of_another_backend_s_config_is_told_without_details(services: Services) -> None:
    project = add_project(services)
    services.versions.serve(add_version(services, replace(project, label_config_fingerprint="elsewhere")).name)

    assert changes_since_training(services, project) == (
        "what serves was trained for other controls or labels than the label config has now.",
    )


@pytest.mark.parametrize(("label", "shown"), [("Shipping", [["Shipping"]]), ("Returns", [])])
def test_a_champion_keeps_giving_the_labels_that_are_left_and_no_others(
    services: Services, label: str, shown: list[list[str]]
) -> None:
    name = champion(services, add_project(services), label)
    project = remember_project(services, 1, WITHOUT_RETURNS.replace("</View>", f"{PARTS}</View>"))

    found = predict_for_studio(services, project, [Task(1, {"text": texts_in(Split.TRAIN, 1)[0]})])

    assert [region["value"]["choices"] for region in found.predictions[0].result] == shown
    assert found.predictions[0].model_version == name


def test_a_champion_whose_control_was_renamed_answers_nothing(services: Services) -> None:
    champion(services, add_project(services))
    project = remember_project(services, 1, CONFIG.replace('name="category"', 'name="topic"'))

    found = predict_for_studio(services, project, [Task(1, {"text": texts_in(Split.TRAIN, 1)[0]})])

    assert [(each.result, each.score) for each in found.predictions] == [((), None)]
    assert dict(found.empty) == {"no_model": 1}


def tell(services: Services, **claims: Any) -> str | None:
    """An event that says that somebody saved a project's settings; the kind of the newest job after it was looked into.

    Args:
        claims: what a forged event says otherwise than Label Studio.
    """
    body = {"action": "PROJECT_UPDATED", "project": services.studio.project_json(1) | claims}
    assert "job" not in receive(services, parse_webhook(body))
    ProjectUpkeep(services, again_s=0).run()
    jobs = services.database.jobs.newest()
    return jobs[0].kind if jobs else None


def update(services: Services, label_config: str) -> str | None:
    services.studio.update_project(1, {"label_config": label_config})
    return tell(services)


def test_a_changed_label_config_gets_the_pre_labels_of_its_cold_start(services: Services) -> None:
    project = add_project(services, ["one", "two"])
    push_missing(services, project, services.cold_start(project))

    assert update(services, CONFIG) is None
    assert update(services, CONFIG.replace("<View>", '<View className="wide">')) is None
    assert update(services, WITHOUT_RETURNS) == "prelabel"


@pytest.mark.parametrize(
    "claims",
    [
        {"title": "Taken over"},
        {"label_config": CONFIG.replace("Shipping", "Forged")},
        {"label_config": CONFIG.replace("category", "other"), "title": ""},
        {"label_config": "<View/>"},
    ],
)
def test_what_an_event_claims_of_a_project_is_not_believed(services: Services, claims: dict[str, str]) -> None:
    project = add_project(services)

    tell(services, **claims)

    assert services.database.projects.get(1) == project
    assert len(services.database.projects.label_configs(1)) == 1


def test_a_forged_event_between_two_true_ones_leaves_no_trace(services: Services) -> None:
    add_project(services, title="Before")
    services.studio.update_project(1, {"title": "After"})

    tell(services)
    tell(services, title="Forged", label_config=WITH_PARTS)
    update(services, WITHOUT_RETURNS)

    seen = services.database.projects.label_configs(1)
    assert [each.label_config for each in seen] == [CONFIG, WITHOUT_RETURNS]
    assert services.database.projects.get(1).title == "After"


def test_a_changed_label_config_leaves_the_pre_labels_of_a_champion(services: Services) -> None:
    champion(services, add_project(services))

    assert update(services, WITHOUT_RETURNS) is None
    assert services.database.projects.get(1).label_config == WITHOUT_RETURNS


def test_pre_labels_are_not_pushed_where_that_is_switched_off(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, auto_push=False)
    add_project(services)

    assert update(services, WITHOUT_RETURNS) is None


def labelled(services: Services, clock: FakeClock, task_id: int) -> None:
    """An annotation of now that leaves all controls but the first one empty."""
    stored = services.studio.submit_annotation(task_id, {"result": choice("Billing")})
    services.studio.annotations[stored["id"]]["updated_at"] = clock().isoformat()
    clock.advance(60)


def targets(services: Services, project: Project) -> list[dict[str, Target]]:
    return [dict(row.targets) for row in SnapshotFolder(export_project(services, project).path).rows(Split.TRAIN)]


EMPTY_PARTS: dict[str, Target] = {"category": "Billing", "parts": ()}
NO_PARTS: dict[str, Target] = {"category": "Billing"}


def test_a_control_that_came_later_is_answered_by_later_annotations_alone(services: Services, clock: FakeClock) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 2))
    labelled(services, clock, 1)
    update(services, WITH_PARTS)
    came_at = clock()
    labelled(services, clock, 2)

    assert control_absences(services, project) == {"parts": (Absence(BEGINNING, came_at),)}
    assert targets(services, project) == [NO_PARTS, EMPTY_PARTS]


RENAMED = WITH_PARTS.replace('name="parts"', 'name="pieces"')


@pytest.mark.parametrize("meanwhile", [CONFIG, RENAMED])
def test_a_control_that_comes_back_as_it_was_keeps_its_answers(
    services: Services, clock: FakeClock, meanwhile: str
) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 3), label_config=WITH_PARTS)
    labelled(services, clock, 1)
    update(services, meanwhile)
    labelled(services, clock, 2)
    update(services, WITH_PARTS)
    labelled(services, clock, 3)

    assert targets(services, project) == [EMPTY_PARTS, NO_PARTS, EMPTY_PARTS]


def test_a_label_config_that_is_saved_and_reverted_at_once_does_no_harm(services: Services, clock: FakeClock) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 3), label_config=WITH_PARTS)
    for task_id in (1, 2, 3):
        labelled(services, clock, task_id)
    for config in (CONFIG, WITH_PARTS, RENAMED, WITH_PARTS):
        update(services, config)

    assert targets(services, project) == [EMPTY_PARTS] * 3


def test_a_late_event_with_an_older_config_does_no_harm(services: Services, clock: FakeClock) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 2))
    update(services, WITH_PARTS)
    labelled(services, clock, 1)
    tell(services, label_config=CONFIG)
    labelled(services, clock, 2)

    assert targets(services, project) == [EMPTY_PARTS] * 2


@pytest.mark.parametrize("claimed", [CONFIG, RENAMED, WITH_PARTS.replace("<Labels ", '<Choices choice="multiple" ')])
def test_a_control_keeps_its_answers_in_databases_that_believed_an_event(
    services: Services, clock: FakeClock, claimed: str
) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 2), label_config=WITH_PARTS)
    labelled(services, clock, 1)
    services.database.projects.set_label_config(1, claimed, "another")
    clock.advance(60)
    with services.database.engine.begin() as connection:
        connection.execute(text("UPDATE label_configs SET is_confirmed = false"))
    labelled(services, clock, 2)

    assert targets(services, project) == [EMPTY_PARTS] * 2


def test_a_former_config_that_cannot_be_served_any_more_tells_nothing(services: Services, clock: FakeClock) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 1), label_config=WITH_PARTS)
    services.database.projects.set_label_config(1, "<View/>", "another")
    labelled(services, clock, 1)

    assert targets(services, project) == [EMPTY_PARTS]


def test_a_snapshot_tells_how_many_annotations_hold_labels_that_are_gone(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 3))
    for number, label in enumerate(("Returns", "Returns", "Billing"), start=1):
        services.studio.submit_annotation(number, {"result": choice(label)})
    update(services, WITHOUT_RETURNS)

    manifest = export_project(services, project).manifest

    assert manifest.dropped == {"unknown_label": 2}
    assert manifest.warnings[0] == (
        "answers to 'category' with labels that the label config no longer has are left out: Returns (2); put the "
        "labels back, or label these tasks again."
    )
