"""What label-studio-ml makes of our model, beside the contract that both applications share."""

import importlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from ml_backend.errors import PayloadError, ProjectNotFound, UnsupportedLabelConfig
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.contract.web.applications import need_label_studio_ml
from tests.running import until
from tests.services import CONFIG, add_version

need_label_studio_ml()

SETUP = {"project": "1.1795198252", "schema": CONFIG, "hostname": "http://localhost:8080", "access_token": "TOKEN-1"}
PREDICT = {
    "project": "1.1795198252",
    "label_config": CONFIG,
    "tasks": [{"id": 1, "data": {"text": "message number 1"}}],
}
EVENT = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 5, "task": 1},
    "project": {"id": 1, "label_config": CONFIG},
}
START = {"action": "START_TRAINING", "project": {"id": 1, "title": "Tickets", "label_config": CONFIG}}


def bare_client(services: Services, **basic: str) -> FlaskClient:
    """As `label-studio-ml start` has it: no guard of ours."""
    from ml_backend.model import LabelloopModel

    api = importlib.reload(importlib.import_module("label_studio_ml.api"))
    client: FlaskClient = api.init_app(LabelloopModel.over(lambda: services), **basic).test_client()
    return client


def test_health_names_the_class_and_builds_nothing(services: Services) -> None:
    from ml_backend.model import LabelloopModel, wsgi_app

    def build() -> Services:
        raise RuntimeError("somebody asked for services")

    importlib.reload(importlib.import_module("label_studio_ml.api"))
    client = wsgi_app(LabelloopModel.over(build)).test_client()

    assert client.get("/health").get_json() == {"model_class": "LabelloopModel", "status": "UP"}


def test_the_model_answers_outside_a_request_as_well(services: Services) -> None:
    from ml_backend.model import LabelloopModel

    model = LabelloopModel.over(lambda: services)("1", CONFIG)
    (prediction,) = model.predict(PREDICT["tasks"])
    event, data = START["action"], {"project": START["project"]}

    assert prediction["model_version"] == str(model.model_version) == model.get("model_version")
    assert prediction["model_version"].startswith("labelloop-1-cold-start-")
    assert model.fit(event, data) == {"status": "ok", "new_events": 0, "job": 1, "state": "queued"}


def test_outside_a_request_an_error_is_raised_as_it_is(services: Services) -> None:
    from ml_backend.model import LabelloopModel

    model = LabelloopModel.over(lambda: services)

    with pytest.raises(UnsupportedLabelConfig):
        model("1", "<View/>").predict(PREDICT["tasks"])
    with pytest.raises(PayloadError):
        model("", CONFIG).get("model_version")
    with pytest.raises(ProjectNotFound):
        model("1", CONFIG).fit("START_TRAINING", {"project": {"id": 1}})


def test_services_are_built_once_whoever_asks_first(services: Services) -> None:
    from ml_backend.model import OncePerProcess

    built = []

    def build() -> Services:
        built.append(threading.get_ident())
        time.sleep(0.1)
        return services

    once = OncePerProcess(build)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: once(), range(8)))

    assert len(built) == 1
    assert all(answer is services for answer in answers)


def test_a_promotion_is_served_without_a_restart(services: Services) -> None:
    from ml_backend.model import LabelloopModel, OncePerProcess

    once = OncePerProcess(lambda: services)
    model = LabelloopModel.over(once)("1", CONFIG)
    before = model.predict(PREDICT["tasks"])[0]["model_version"]
    services.studio.create_project("Tickets", CONFIG)
    version = add_version(services, services.database.projects.get(1), "Returns")

    Promoter(services).promote(services.database.projects.get(1), version.name, reason="r")

    until(lambda: model.get("model_version") != before)
    assert model.get("model_version") == version.name
    assert model.predict(PREDICT["tasks"])[0]["model_version"] == version.name


def test_its_own_basic_auth_knows_one_pair_of_credentials(services: Services) -> None:
    client = bare_client(services, basic_auth_user="labelloop", basic_auth_pass="secret-of-backend")
    sent = {
        "none": {},
        "webhook's": {"Authorization": basic_auth("webhook", "secret-of-webhook")},
        "backend's": {"Authorization": basic_auth("labelloop", "secret-of-backend")},
    }

    answers = {whose: client.post("/webhook", json=EVENT, headers=headers) for whose, headers in sent.items()}

    assert {whose: answer.status_code for whose, answer in answers.items()} == {
        "none": 401,
        "webhook's": 401,
        "backend's": 201,
    }
    assert client.post("/webhook", json=START, headers=sent["backend's"]).status_code == 201
    assert client.get("/health").status_code == 401


def test_started_by_label_studio_ml_there_is_no_guard_and_no_versions(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELLOOP_PASSWORD", "secret-of-backend")
    monkeypatch.setenv("LABELLOOP_WEBHOOK_PASSWORD", "secret-of-webhook")
    client = bare_client(services)

    assert client.post("/setup", json=SETUP, headers={"Host": "evil.example"}).status_code == 200
    assert client.post("/webhook", json=START).status_code == 201
    assert client.get("/versions").status_code == 404


def test_there_is_no_page_and_no_metric(services: Services) -> None:
    client = bare_client(services)

    assert client.get("/").get_json() == client.get("/health").get_json()
    assert client.get("/metrics").get_json() == {}


def test_an_error_nobody_foresaw_is_told_with_its_traceback(services: Services) -> None:
    from ml_backend.model import LabelloopModel, wsgi_app

    def build() -> Services:
        raise RuntimeError("the disk is gone")

    importlib.reload(importlib.import_module("label_studio_ml.api"))
    response = wsgi_app(LabelloopModel.over(build)).test_client().post("/setup", json=SETUP)

    assert response.status_code == 500
    assert "Traceback" in response.get_json()["result"]["traceback"]


def test_a_foreseen_error_is_told_without_a_traceback(services: Services) -> None:
    response = bare_client(services).post("/setup", json=SETUP | {"schema": "<View/>"})

    assert response.status_code == 422
    assert response.get_json()["result"] == {"traceback": None}
    assert "Traceback" not in response.get_data(as_text=True)
