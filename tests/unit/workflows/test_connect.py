"""Connecting projects to this backend."""

from pathlib import Path

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.job import JobState
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import (
    ConfigurationError,
    StudioError,
    StudioRejected,
    UnreadableLabelConfig,
    UnsupportedLabelConfig,
)
from ml_backend.options import BackendOptions
from ml_backend.workflows.connecting.connect import connect, create_and_connect
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from tests.services import BACKEND_URL, CONFIG, add_studio_project, build_test_services, choice, texts_in
from tests.unit.workflows.healthy_loop import ACCESS

TEXTS = texts_in(Split.TRAIN, 3)
ACTIONS = [
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "PROJECT_UPDATED",
    "TASKS_CREATED",
]


def test_a_fresh_project_gets_a_backend_a_webhook_uncertainty_sampling_and_a_job_that_pushes_pre_labels(
    services: Services,
) -> None:
    info = add_studio_project(services, TEXTS)

    connection = connect(services, info.id)

    (row,) = services.studio.backends(info.id)
    (hook,) = services.studio.webhooks(info.id)
    assert (row["url"], row["title"], row["auth_method"]) == (BACKEND_URL, "labelloop", "NONE")
    assert (hook["url"], hook["headers"], hook["send_payload"]) == (f"{BACKEND_URL}/webhook", {}, True)
    assert (hook["send_for_all_actions"], sorted(hook["actions"])) == (False, ACTIONS)
    assert services.studio.project(info.id).sampling == "Uncertainty sampling"
    assert connection.project.backend_id == row["id"]
    assert connection.url == "http://studio.test:8080/projects/1/data"
    assert connection.sentences == connection.changes
    assert "Project 1 is remembered as tickets-1, with the split 0.8,0.1,0.1" in connection.changes[0]
    assert connection.job is not None
    assert (connection.job.kind, connection.job.state) == ("prelabel", JobState.QUEUED)
    assert connection.job.params == {"trigger": "connect"}
    assert any("pushes the pre-labels of tickets-1-cold-start-" in change for change in connection.changes)


def test_credentials_go_to_the_backend_and_weaker_ones_to_the_webhook(guarded: Services) -> None:
    info = add_studio_project(guarded, TEXTS)

    connection = connect(guarded, info.id)

    assert dict(guarded.studio.changes)["create_backend"] == {
        "url": BACKEND_URL,
        "title": "labelloop",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": "labelloop",
        "basic_auth_pass": "secret-of-backend",
    }
    (hook,) = guarded.studio.webhooks(info.id)
    assert hook["headers"] == {"Authorization": basic_auth("webhook", "secret-of-webhook")}
    assert "secret" not in repr(connection)


@pytest.mark.parametrize("access", [BackendOptions(), ACCESS])
def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path, access: BackendOptions) -> None:
    services = build_test_services(tmp_path, backend=access)
    info = add_studio_project(services, TEXTS)
    first = connect(services, info.id)
    before = list(services.studio.changes)

    second = connect(services, info.id)

    assert services.studio.changes == before
    assert second.changes == ()
    assert second.sentences == ("Project 1 is connected already; nothing was changed.",)
    assert (second.job, first.job) == (first.job, second.job)
    assert len(services.database.jobs.newest()) == 1


def test_an_empty_project_gets_no_job_and_is_served_by_the_live_backend(services: Services) -> None:
    info = add_studio_project(services)

    connection = connect(services, info.id)

    assert connection.job is None
    assert services.database.jobs.newest() == []
    assert services.studio.project(info.id).model_version == "labelloop"


def test_stored_pre_labels_of_the_serving_version_are_selected(services: Services) -> None:
    info = add_studio_project(services, TEXTS)
    first = connect(services, info.id)
    push_missing(services, first.project, services.cold_start(first.project))
    assert services.studio.project(info.id).model_version == "labelloop"

    second = connect(services, info.id)

    version = services.cold_start(first.project).version
    assert services.studio.project(info.id).model_version == version
    assert f"Selected the pre-labels of {version}." in second.changes
    assert connect(services, info.id).changes == ()


def test_a_version_of_somebody_else_stays_selected_until_ours_is_pushed(services: Services) -> None:
    info = add_studio_project(services, TEXTS)
    services.studio.predict_in_editor(1, Prediction(tuple(choice("Billing")), 0.5, "other-model"))
    services.studio.update_project(info.id, {"model_version": "other-model"})

    connect(services, info.id)

    assert services.studio.project(info.id).model_version == "other-model"


def test_a_backend_that_lost_its_selection_is_selected_again(services: Services) -> None:
    info = add_studio_project(services)
    connect(services, info.id)
    services.studio.update_project(info.id, {"model_version": ""})

    connection = connect(services, info.id)

    assert services.studio.project(info.id).model_version == "labelloop"
    assert connection.changes == ("Selected the backend 'labelloop' for pre-labels until the first ones are stored.",)


def test_predictions_are_switched_on(services: Services) -> None:
    info = add_studio_project(services)
    services.studio.update_project(info.id, {"show_collab_predictions": False})

    connection = connect(services, info.id)

    assert services.studio.project(info.id).show_collab_predictions is True
    assert "Switched on that predictions prelabel tasks." in connection.changes


def test_slug_and_split_stay_as_they_were_at_the_first_connect(tmp_path: Path) -> None:
    before = build_test_services(tmp_path)
    info = add_studio_project(before)
    connect(before, info.id)
    after = build_test_services(tmp_path, studio=before.studio, split=SplitFractions(0.5, 0.25, 0.25))
    after.studio.update_project(info.id, {"title": "Another name"})

    connection = connect(after, info.id)

    assert (connection.project.slug, connection.project.title) == ("tickets", "Another name")
    assert connection.project.split == SplitFractions()
    assert "the setting split, 0.5,0.25,0.25 now, is for projects that are connected later." in connection.notices[0]


def test_a_changed_label_config_is_read_again(services: Services) -> None:
    info = add_studio_project(services)
    connect(services, info.id)
    services.studio.update_project(info.id, {"label_config": CONFIG.replace("Returns", "Refunds")})

    connection = connect(services, info.id)

    assert "The label config was read again, since it has changed." in connection.changes
    assert "Refunds" in connection.project.label_config


def test_controls_that_are_not_served_are_named(services: Services) -> None:
    config = CONFIG.replace("</View>", '<Rating name="stars" toName="text" perRegion="true"/></View>')
    info = add_studio_project(services, label_config=config)

    (notice,) = connect(services, info.id).notices
    assert notice.startswith("<Rating name='stars'> is asked per region, not per task, and no control that is served")


def test_a_label_config_that_cannot_be_served_stops_before_anything_is_done(services: Services) -> None:
    config = CONFIG.replace('choice="single"', 'choice="single" perRegion="true"')
    info = add_studio_project(services, label_config=config)
    before = list(services.studio.changes)

    with pytest.raises(UnsupportedLabelConfig, match="is asked per region, not per task"):
        connect(services, info.id)

    assert services.studio.changes == before
    assert services.database.projects.all() == []


def test_a_new_project_is_made_filled_and_connected(services: Services) -> None:
    connection = create_and_connect(services, "Tickets", CONFIG, [{"text": "a"}, {"data": {"text": "b"}}])

    assert connection.changes[:3] == (
        "Made project 1, 'Tickets'.",
        "Imported 2 tasks.",
        "Its labeling instructions tell annotators what to do with the model's answers.",
    )
    assert "press Submit" in services.studio.projects[1]["expert_instruction"]
    assert [task["data"] for task in services.studio.tasks.values()] == [{"text": "a"}, {"text": "b"}]
    assert connection.project.ref.key == "tickets-1"
    assert connection.job is not None


@pytest.mark.parametrize(
    ("config", "error"), [("<View>", UnreadableLabelConfig), ("<View></View>", UnsupportedLabelConfig)]
)
def test_nothing_is_made_for_a_label_config_that_cannot_be_served(
    services: Services, config: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        create_and_connect(services, "Tickets", config, [])

    assert services.studio.changes == []


def test_nothing_is_made_when_a_task_lacks_the_field(services: Services) -> None:
    with pytest.raises(ConfigurationError, match="task 2 of 2 has no field 'text'"):
        create_and_connect(services, "Tickets", CONFIG, [{"text": "a"}, {"data": {"body": "b"}}])

    assert services.studio.changes == []


def test_a_failure_after_the_project_was_made_names_the_project(services: Services) -> None:
    services.studio.refusals["create_backend"] = StudioRejected("Can't connect to ML backend", status=400)

    with pytest.raises(StudioError, match=r"Made project 1, 'Tickets'\. .* `labelloop connect 1`"):
        create_and_connect(services, "Tickets", CONFIG, [])


def test_texts_that_the_base_model_cannot_read_are_named_with_a_model_that_can(services: Services) -> None:
    readable, thai = add_studio_project(services, TEXTS), add_studio_project(services, ["อาหารอร่อยมาก"] * 3)

    assert connect(services, readable.id).notices == ()
    (notice,) = connect(services, thai.id).notices
    assert "100% of their letters are unknown tokens" in notice
    assert "set LABELLOOP_BASE_MODEL to" in notice
