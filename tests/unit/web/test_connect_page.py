"""Connecting a project on the page: choosing one, and what is said before anything is changed."""

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.job import JobState
from ml_backend.domain.project_setting import SettingOrigin
from ml_backend.workflows.services import Services
from tests.services import add_project, add_studio_project
from tests.unit.web.test_pages import ESCAPED, EVIL, page, words
from tests.visitors import press

TEXTS = [f"text number {number}" for number in range(8)]


def test_a_project_is_chosen_looked_at_and_connected(services: Services, admin: FlaskClient) -> None:
    add_project(services, title="Connected before")
    info = add_studio_project(services, TEXTS, title=f"New {EVIL}")
    listed = page(admin, "/connect")
    assert f"New {ESCAPED}" in listed
    assert "Connected before" not in listed

    said = words(admin, f"/connect?project={info.id}")
    for part in (
        "8 tasks",
        "The model will answer 'category', classification.",
        "with the split 0.8,0.1,0.1",
        "A webhook is made: http://localhost:9090/webhook",
        "The backend is added to the project: http://localhost:9090.",
        "The sampling becomes &#39;Uncertainty sampling&#39;; it is &#39;Sequential sampling&#39;.",
        "held-out ones, about 20%, get none",
    ):
        assert part.replace("'", "&#39;") in said
    assert services.database.projects.find(info.id) is None
    assert not services.studio.backend_rows

    answer = press(admin, "/api/projects", f"/connect?project={info.id}", project=info.id)
    assert answer.location == f"/projects/{info.id}"
    assert services.studio.backend_rows
    assert services.database.jobs.newest(project_id=info.id)[0].state is JobState.QUEUED
    assert "Every project is connected" in words(admin, "/connect")


def test_a_split_that_was_set_before_is_that_of_the_connection(services: Services, admin: FlaskClient) -> None:
    info = add_studio_project(services, TEXTS)
    services.database.settings.put(info.id, "split", "0.5,0.2,0.3", origin=SettingOrigin.PROJECT, by="anna")

    assert "held-out ones, about 50%" in words(admin, f"/connect?project={info.id}")
    press(admin, "/api/projects", "/connect", project=info.id)
    assert str(services.database.projects.get(info.id).split) == "0.5,0.2,0.3"


@pytest.mark.parametrize(
    ("config", "problem"),
    [("<View><Image name='i' value='$i'/></View>", "It cannot be connected"), (None, "No Project matches")],
)
def test_what_cannot_be_connected_is_said_before_anything_is_tried(
    services: Services, admin: FlaskClient, config: str | None, problem: str
) -> None:
    number = 99
    if config:
        number = add_studio_project(services, TEXTS).id
        services.studio.projects[number]["label_config"] = config

    said = page(admin, f"/connect?project={number}")

    assert problem in said
    assert "What connecting does" not in said
    assert services.database.projects.all() == []
