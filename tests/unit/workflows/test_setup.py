"""Remembering projects, and saying which version answers."""

import pytest

from ml_backend.domain.model import ModelVersion, PromotionState
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.errors import UnreadableLabelConfig, UnsupportedLabelConfig
from ml_backend.workflows.connecting.projects import announced_version, remember_project, slug_of
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import CONFIG, add_project, add_version

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
