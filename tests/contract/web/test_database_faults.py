"""Answers to clients while the database is locked, full, away or read-only."""

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.storage.database import open_database
from ml_backend.web.app import create_app
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.databases import driver_of, locked
from tests.fakes import FakeClock
from tests.postgres import StoppablePostgres
from tests.recordings import recorded
from tests.services import CONFIG, add_project, add_version, build_test_services
from tests.visitors import as_backend

START = {"action": "START_TRAINING", "project": {"id": 1, "title": "Tickets", "label_config": CONFIG}}
SETUP = {"project": "1.1", "schema": CONFIG, "hostname": "http://localhost:8080"}
OTHER_CONFIG = CONFIG.replace('value="Returns"', 'value="Refunds"')
PREDICT = {"project": "1.1", "label_config": CONFIG, "tasks": [{"id": 1, "data": {"text": "message number 1"}}]}
WRITES: list[tuple[str, Any]] = [
    ("/webhook", recorded("webhook_annotation_created")),
    ("/webhook", START),
    ("/setup", SETUP | {"project": "77.1"}),
    ("/api/projects/1/train", {}),
    ("/api/jobs/1/cancel", {}),
    ("/api/jobs/1/resume", {}),
]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = build_test_services(tmp_path)
    add_project(made)
    made.database.jobs.request("train", 1, {}, dedupe_key="other")
    made.database.close()
    url = f"sqlite:///{made.options.home / 'labelloop.db'}"
    with closing(open_database(url, FakeClock(), busy_timeout_ms=20)) as impatient:
        yield dataclasses.replace(made, database=impatient)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return as_backend(services)


@contextmanager
def not_writable(services: Services) -> Iterator[None]:
    driver_of(services.database).execute("PRAGMA query_only = ON")
    yield
    driver_of(services.database).execute("PRAGMA query_only = OFF")


def being_locked(services: Services) -> AbstractContextManager[None]:
    return locked(services.options.home / "labelloop.db")


@pytest.mark.parametrize("fault", [being_locked, not_writable])
@pytest.mark.parametrize(("path", "body"), WRITES)
def test_what_cannot_be_written_now_is_asked_for_again_later(
    services: Services, client: FlaskClient, fault: Any, path: str, body: Any
) -> None:
    if path == "/api/jobs/1/resume":
        services.database.jobs.cancel(1)
        driver_of(services.database).execute("UPDATE jobs SET state = 'failed'")

    with fault(services):
        refused = client.post(path, json=body)
    accepted = client.post(path, json=body)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "cannot be used now" in refused.get_json()["error"]
    assert accepted.status_code == 200


@pytest.mark.parametrize("config", [CONFIG, OTHER_CONFIG])
def test_pre_labels_are_given_by_what_the_process_knows(
    tmp_path: Path, stoppable_postgres: StoppablePostgres, config: str
) -> None:
    services = build_test_services(tmp_path, database_url=stoppable_postgres.url)
    with closing(services.database):
        project = add_project(services, ["message number 1"])
        version = add_version(services, project)
        Promoter(services).promote(project, version.name, reason="r")
        services.champions.refresh(project)
        client = create_app(services).test_client()
        stoppable_postgres.stop()

        promised = client.post("/setup", json=SETUP | {"schema": config})
        given = client.post("/predict", json=PREDICT | {"label_config": config})
        told = client.post("/webhook", json=recorded("webhook_annotation_created"))
        stoppable_postgres.start()

        assert promised.get_json() == {"model_version": version.name}
        [result] = given.get_json()["results"]
        assert result["model_version"] == version.name
        assert result["result"][0]["value"] == {"choices": ["Shipping"]}
        assert told.status_code == 503
        assert client.post("/predict", json=PREDICT | {"label_config": config}).status_code == 200
        assert services.database.projects.get(1).label_config == config


def test_events_that_cannot_be_stored_are_an_alarm_until_one_is(services: Services, client: FlaskClient) -> None:
    event = recorded("webhook_annotation_created")
    for fault in (being_locked, not_writable):
        with fault(services):
            client.post("/webhook", json=event)
            told = client.get("/health").get_json()
            client.post("/predict", json=PREDICT)

            assert (told["status"], len(told["alarms"])) == ("DEGRADED", 1)
            assert told["alarms"][0].startswith("events are not stored: the database ")
            assert client.get("/health").get_json() == told
        client.post("/webhook", json=event)

        assert client.get("/health").get_json()["status"] == "UP"


def test_a_project_that_the_process_does_not_serve_is_answered_later(services: Services, client: FlaskClient) -> None:
    with being_locked(services):
        response = client.post("/predict", json=PREDICT | {"project": "77.1"})

    assert response.status_code == 503
