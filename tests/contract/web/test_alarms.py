"""Alarms reach the operator: on `/health`, on the status page, in the metrics and in doctor."""

import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.project import Project
from ml_backend.serving.alarms import AlarmKind
from ml_backend.web.app import create_app
from ml_backend.web.watcher import watch_champions
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakeRegistry
from tests.recordings import recorded
from tests.running import until
from tests.services import add_project, add_version, build_test_services, with_settings
from tests.visitors import HTML, as_backend

SENTENCE = "tickets-1-v1 <serves> from memory"


@pytest.fixture
def mlflow(tmp_path: Path) -> FakeRegistry:
    return FakeRegistry(tmp_path / "runs")


@pytest.fixture
def services(tmp_path: Path, mlflow: FakeRegistry) -> Services:
    return build_test_services(tmp_path, mlflow=mlflow)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return as_backend(services)


@pytest.mark.parametrize("kind", list(AlarmKind))
def test_an_alarm_is_told_wherever_somebody_looks(services: Services, client: FlaskClient, kind: AlarmKind) -> None:
    services.alarms.begin(kind, "x", SENTENCE)

    health = client.get("/health")
    page = client.get("/", headers=HTML).get_data(as_text=True)
    metrics = client.get("/metrics").get_data(as_text=True)

    assert (health.status_code, health.get_json()) == (
        200,
        {"status": "DEGRADED", "model_class": "labelloop", "alarms": [SENTENCE]},
    )
    assert "tickets-1-v1 &lt;serves&gt; from memory" in page
    assert f'labelloop_alarms{{kind="{kind}"}} 1.0' in metrics
    assert metrics.count("labelloop_alarms{") == len(AlarmKind)


def test_whoever_has_no_credentials_hears_only_that_something_is_wrong(services: Services) -> None:
    guarded = with_settings(services, password="secret-of-backend", webhook_password="secret-of-webhook")
    client = create_app(guarded).test_client()
    services.alarms.begin(AlarmKind.MODEL, "x", SENTENCE)

    assert client.get("/health").get_json() == {"status": "DEGRADED", "model_class": "labelloop"}
    assert client.get("/health", auth=("labelloop", "secret-of-backend")).get_json()["alarms"] == [SENTENCE]


@pytest.fixture
def watched(services: Services) -> Any:
    """The services while the thread of a serving process looks after them."""
    stop = threading.Event()
    thread = threading.Thread(
        target=watch_champions, args=(services, stop), kwargs={"poll_s": 0.01, "full_refresh_s": 0.05}
    )
    thread.start()
    yield services
    stop.set()
    thread.join()


def promoted(services: Services) -> Project:
    project = add_project(services, ["where is my card"])
    version = add_version(services, project)
    version.path.mkdir(parents=True)
    Promoter(services).promote(project, version.name, reason="r")
    return project


def test_a_deleted_database_is_seen_within_a_moment_and_over_once_it_is_back(
    watched: Services, client: FlaskClient
) -> None:
    add_project(watched)
    file = watched.options.home / "labelloop.db"
    file.rename(file.with_name("aside.db"))

    until(lambda: client.get("/health").get_json()["status"] == "DEGRADED")
    refused = client.post("/webhook", json=recorded("webhook_annotation_created"))
    page, metrics = client.get("/"), client.get("/metrics")
    file.with_name("aside.db").rename(file)
    until(lambda: client.get("/health").get_json()["status"] == "UP")

    assert (refused.status_code, "is gone" in refused.get_json()["error"]) == (503, True)
    assert "labelloop.db is gone" in page.get_data(as_text=True)
    assert 'labelloop_alarms{kind="state"} 2.0' in metrics.get_data(as_text=True)
    assert client.post("/webhook", json=recorded("webhook_annotation_created")).get_json()["new_events"] == 1


def test_a_lost_registry_changes_nothing_for_what_serves(
    watched: Services, mlflow: FakeRegistry, client: FlaskClient
) -> None:
    project = promoted(watched)
    until(lambda: watched.champions.get(project).version == "tickets-1-v1")

    mlflow.forget()
    watched.champions.refresh(project)

    assert client.get("/health").get_json()["status"] == "UP"
    assert client.get("/versions").get_json() == {"versions": ["tickets-1-v1"]}
