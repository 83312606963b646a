"""What changes of a label config mean, from `/setup` and PROJECT_UPDATED to the status page and the rows."""

from pathlib import Path

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.job import JobKind
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.webhook_payloads import parse_webhook
from ml_backend.snapshots.store import read_rows
from ml_backend.workflows.config_history import changes_between, changes_since_training, control_appearances
from ml_backend.workflows.export import export_project
from ml_backend.workflows.ingest import receive
from ml_backend.workflows.predict import predict_for_studio
from ml_backend.workflows.promote import promote, rollback
from ml_backend.workflows.services import Services
from ml_backend.workflows.setup import remember_project
from ml_backend.workflows.status import project_status
from tests.fakes import FakeClock
from tests.services import CONFIG, add_project, add_version, build_test_services, choice, texts_in

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


def quiet(_fraction: float, _message: str) -> None:
    """Progress that nobody watches."""


def champion(services: Services, project: Project, label: str = "Shipping") -> str:
    version = add_version(services, project, label)
    promote(services, project, version.name, reason="better", report=quiet)
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
    assert project_status(services, project).config_changes == LOST

    champion(services, project)
    assert project_status(services, project).config_changes == ()

    rollback(services, project, reason="worse", report=quiet)
    assert project_status(services, project).config_changes == LOST

    project = remember_project(services, 1, CONFIG)
    assert project_status(services, project).config_changes == ()


def test_a_champion_of_another_backend_s_config_is_told_without_details(services: Services) -> None:
    project = add_project(services)
    services.database.promotions.begin(
        1, "tickets-1-v1", previous="x", reason="r", is_forced=False, label_config_fingerprint="elsewhere"
    )
    promotion = services.database.promotions.open(1)
    assert promotion is not None
    services.database.promotions.advance(promotion, type(promotion.state)("done"))

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


def update(services: Services, label_config: str) -> JobKind | None:
    """What Label Studio sends when somebody saves a project's settings; the kind of the job that it led to."""
    services.studio.update_project(1, {"label_config": label_config})
    body = {"action": "PROJECT_UPDATED", "project": services.studio.project_json(1)}
    job = receive(services, parse_webhook(body)).job
    return job.kind if job else None


def test_a_changed_label_config_gets_the_pre_labels_of_its_cold_start(services: Services) -> None:
    add_project(services)

    assert update(services, CONFIG) is None
    assert update(services, CONFIG.replace("<View>", '<View className="wide">')) is None
    assert update(services, WITHOUT_RETURNS) is JobKind.PRELABEL


def test_a_changed_label_config_leaves_the_pre_labels_of_a_champion(services: Services) -> None:
    champion(services, add_project(services))

    assert update(services, WITHOUT_RETURNS) is None
    assert services.database.projects.get(1).label_config == WITHOUT_RETURNS


def test_pre_labels_are_not_pushed_where_that_is_switched_off(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, auto_push=False)
    add_project(services)

    assert update(services, WITHOUT_RETURNS) is None


def test_a_control_that_came_later_is_answered_by_later_annotations_alone(services: Services, clock: FakeClock) -> None:
    texts = texts_in(Split.TRAIN, 2)
    project = add_project(services, texts)
    services.studio.submit_annotation(1, {"result": choice("Billing")})
    services.studio.annotations[1]["updated_at"] = "2026-01-01T12:00:30Z"
    clock.advance(60)
    update(services, WITH_PARTS)
    services.studio.submit_annotation(2, {"result": choice("Billing")})
    services.studio.annotations[2]["updated_at"] = "2026-01-01T12:01:30Z"

    assert control_appearances(services, project) == {"parts": clock()}
    rows = list(read_rows(export_project(services, project).path, Split.TRAIN))

    assert [dict(row.targets) for row in rows] == [{"category": "Billing"}, {"category": "Billing", "parts": ()}]


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
