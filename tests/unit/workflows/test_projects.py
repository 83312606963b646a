"""Projects as they are remembered: what answers them, and what changes of their label configs mean.

Changes are followed from `/setup` and PROJECT_UPDATED to the status page and the rows.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ml_backend.domain.annotation import Task
from ml_backend.domain.config_changes import Absence
from ml_backend.domain.example import Target
from ml_backend.domain.model import ModelVersion, PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import UnreadableLabelConfig, UnsupportedLabelConfig
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.connecting.config_history import changes_between, changes_since_training, control_absences
from ml_backend.workflows.connecting.projects import announced_version, remember_project, slug_of
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.project_upkeep import ProjectUpkeep
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from ml_backend.workflows.status import ProjectStatus
from tests.services import CONFIG, add_project, add_version, build_test_services, choice, texts_in

BEGINNING = datetime.min.replace(tzinfo=UTC)
WITHOUT_RETURNS = CONFIG.replace('<Choice value="Returns"/>', "")
PARTS = '<Labels name="parts" toName="text"><Label value="Number"/></Labels>'
WITH_PARTS = CONFIG.replace("</View>", f"{PARTS}</View>")
LOST = ("'category' no longer has 'Returns': annotations with such a label are left out, and it is never suggested.",)


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
    assert dict(found.empty) == ({} if shown else {"unknown_label": 1})


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


def test_a_changed_label_config_leaves_the_pre_labels_of_a_champion(services: Services) -> None:
    champion(services, add_project(services))

    assert update(services, WITHOUT_RETURNS) is None
    assert services.database.projects.get(1).label_config == WITHOUT_RETURNS


def test_pre_labels_are_not_pushed_where_that_is_switched_off(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, auto_push=False)
    add_project(services)

    assert update(services, WITHOUT_RETURNS) is None


def labelled(services: Services, task_id: int) -> None:
    """An annotation of now that leaves all controls but the first one empty."""
    stored = services.studio.submit_annotation(task_id, {"result": choice("Billing")})
    services.studio.annotations[stored["id"]]["updated_at"] = services.clock().isoformat()
    services.clock.advance(60)


def targets(services: Services, project: Project) -> list[dict[str, Target]]:
    return [dict(row.targets) for row in SnapshotFolder(export_project(services, project).path).rows(Split.TRAIN)]


EMPTY_PARTS: dict[str, Target] = {"category": "Billing", "parts": ()}
NO_PARTS: dict[str, Target] = {"category": "Billing"}


def test_a_control_that_came_later_is_answered_by_later_annotations_alone(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 2))
    labelled(services, 1)
    update(services, WITH_PARTS)
    came_at = services.clock()
    labelled(services, 2)

    assert control_absences(services, project) == {"parts": (Absence(BEGINNING, came_at),)}
    assert targets(services, project) == [NO_PARTS, EMPTY_PARTS]


RENAMED = WITH_PARTS.replace('name="parts"', 'name="pieces"')


@pytest.mark.parametrize("meanwhile", [CONFIG, RENAMED])
def test_a_control_that_comes_back_as_it_was_keeps_its_answers(services: Services, meanwhile: str) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 3), label_config=WITH_PARTS)
    labelled(services, 1)
    update(services, meanwhile)
    labelled(services, 2)
    update(services, WITH_PARTS)
    labelled(services, 3)

    assert targets(services, project) == [EMPTY_PARTS, NO_PARTS, EMPTY_PARTS]


def test_a_label_config_that_is_saved_and_reverted_at_once_does_no_harm(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 3), label_config=WITH_PARTS)
    for task_id in (1, 2, 3):
        labelled(services, task_id)
    for config in (CONFIG, WITH_PARTS, RENAMED, WITH_PARTS):
        update(services, config)

    assert targets(services, project) == [EMPTY_PARTS] * 3


@pytest.mark.parametrize("claimed", [CONFIG, RENAMED, WITH_PARTS.replace("<Labels ", '<Choices choice="multiple" ')])
def test_a_control_keeps_its_answers_in_databases_that_believed_an_event(services: Services, claimed: str) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 2), label_config=WITH_PARTS)
    labelled(services, 1)
    services.database.projects.set_label_config(1, claimed, "another")
    services.clock.advance(60)
    with services.database.engine.begin() as connection:
        connection.execute(text("UPDATE label_configs SET is_confirmed = false"))
    labelled(services, 2)

    assert targets(services, project) == [EMPTY_PARTS] * 2


def test_a_former_config_that_cannot_be_served_any_more_tells_nothing(services: Services) -> None:
    project = add_project(services, texts_in(Split.TRAIN, 1), label_config=WITH_PARTS)
    services.database.projects.set_label_config(1, "<View/>", "another")
    labelled(services, 1)

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


OTHER = CONFIG.replace("Returns", "Refunds")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Support Tickets", "support-tickets"),
        ("  Ä/ö -- B2B!  ", "b2b"),
        ("東京", "labelloop"),
        ("", "labelloop"),
        ("x" * 39 + " yz", "x" * 39),
        ("a" * 60, "a" * 40),
    ],
)
def test_a_slug_is_short_and_plain(title: str, slug: str) -> None:
    assert slug_of(title) == slug


def test_a_new_project_gets_slug_and_split_and_keeps_them(services: Services) -> None:
    first = remember_project(services, 7, CONFIG, title="Tickets", split=SplitFractions(0.6, 0.2, 0.2))
    again = remember_project(services, 7, CONFIG, title="Renamed", slug="other", split=SplitFractions(1, 0, 0))

    assert (first.ref.key, first.title, first.split) == ("tickets-7", "Tickets", SplitFractions(0.6, 0.2, 0.2))
    assert (again.ref.key, again.title, again.split) == ("tickets-7", "Renamed", SplitFractions(0.6, 0.2, 0.2))


def test_setup_tells_no_title_so_the_known_one_stays(services: Services) -> None:
    remember_project(services, 7, CONFIG, title="Tickets")

    assert remember_project(services, 7, CONFIG).title == "Tickets"
    assert remember_project(services, 8, CONFIG).title == "Project 8"


def test_what_a_changed_label_config_means_is_logged(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    remember_project(services, 7, CONFIG)
    caplog.clear()

    remember_project(services, 7, CONFIG.replace('<Choice value="Returns"/>', ""))

    (record,) = caplog.records
    assert record.getMessage() == (
        "the label config of project 7 has changed: 'category' no longer has 'Returns': annotations with such a label "
        "are left out, and it is never suggested."
    )


def test_layout_changes_the_config_and_not_its_fingerprint(services: Services) -> None:
    before = remember_project(services, 7, CONFIG)
    after = remember_project(services, 7, CONFIG.replace("<View>", "<View><Header value='Which?'/>"))

    assert "Header" in after.label_config
    assert after.label_config_fingerprint == before.label_config_fingerprint


@pytest.mark.parametrize(("config", "error"), [("<View", UnreadableLabelConfig), ("<View/>", UnsupportedLabelConfig)])
def test_a_config_that_cannot_be_served_leaves_the_known_one(
    services: Services, config: str, error: type[Exception]
) -> None:
    remember_project(services, 7, CONFIG)

    with pytest.raises(error):
        remember_project(services, 7, config)
    with pytest.raises(error):
        remember_project(services, 8, config)

    assert [project.label_config for project in services.database.projects.all()] == [CONFIG]


def test_a_promoted_version_is_announced_from_its_commit_point_on(services: Services) -> None:
    project = add_project(services)
    version, promotions = add_version(services, project).name, services.database.promotions
    begun = promotions.begin(1, version, previous="x", reason="r", is_forced=False)
    announced = [announced_version(services, project)]
    pushed = promotions.advance(begun, PromotionState.PUSHED)
    announced.append(announced_version(services, project))
    promotions.commit(pushed, project.ref.key)
    announced.append(announced_version(services, project))

    cold_start = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    assert announced == [cold_start, cold_start, version]


def test_a_loaded_model_is_announced_even_after_the_next_one_was_promoted(services: Services) -> None:
    project = add_project(services)
    first, second = add_version(services, project), add_version(services, project)
    Promoter(services).promote(project, first.name, reason="r")
    services.champions.get(project)
    Promoter(services).promote(project, second.name, reason="r")

    assert announced_version(services, project) == first.name
    services.champions.refresh(project)
    assert announced_version(services, project) == second.name


def test_a_champion_that_cannot_be_loaded_is_not_announced_once_the_cold_start_answers(services: Services) -> None:
    project = add_project(services)
    damaged = add_version(services, project)
    Promoter(services).promote(project, damaged.name, reason="r")
    services.load_predictor.remove(damaged.path)

    answering = services.champions.get(project).version

    assert answering == f"tickets-1-cold-start-{project.label_config_fingerprint}"
    assert announced_version(services, project) == answering


def test_what_is_announced_answers_also_after_the_labels_changed(services: Services) -> None:
    before = add_project(services)
    assert services.champions.get(before).version == announced_version(services, before)

    after = remember_project(services, before.id, OTHER)

    announced = announced_version(services, after)
    assert announced.endswith(after.label_config_fingerprint)
    assert services.champions.get(after).version == announced
