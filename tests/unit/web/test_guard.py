"""Who may ask for what."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml_backend.options import BackendOptions
from ml_backend.web.access import FOR_MACHINES
from ml_backend.web.app import create_app
from ml_backend.web.guard import Guard
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.services import Services
from tests.services import CONFIG, build_test_services, with_settings

PROJECT = {"id": 3, "title": "Tickets", "label_config": CONFIG}
SETUP = {"project": "3.1", "schema": CONFIG, "hostname": "http://localhost:8080"}
PREDICT = {"project": "3.1", "label_config": CONFIG, "tasks": [{"id": 1, "data": {"text": "a"}}]}
START = {"action": "START_TRAINING", "project": PROJECT}
EVENT = {"action": "PROJECT_UPDATED", "project": PROJECT}
GUARDED = {"password": "secret-of-backend", "webhook_password": "secret-of-webhook"}

CREDENTIALS = {
    "none": None,
    "backend": basic_auth("labelloop", "secret-of-backend"),
    "webhook": basic_auth("webhook", "secret-of-webhook"),
    "wrong password": basic_auth("labelloop", "wrong"),
    "wrong user": basic_auth("admin", "secret-of-backend"),
    "webhook's password": basic_auth("labelloop", "secret-of-webhook"),
    "backend's password": basic_auth("webhook", "secret-of-backend"),
    "no password": basic_auth("labelloop", ""),
    "nothing in it": basic_auth("", ""),
    "not ASCII": basic_auth("labelloop", "pässwörd"),
    "bearer": "Bearer secret-of-backend",
    "not base64": "Basic %%%",
    "not even ASCII": "Basic \xff",
    "scheme only": "Basic",
    "digest": 'Digest username="labelloop", password="secret-of-backend"',
    "digest of the webhook": 'Digest username="webhook", password="secret-of-webhook"',
    "scheme of one's own": "Plain username=labelloop, password=secret-of-backend",
    "basic with parameters": 'Basic username="labelloop", password="secret-of-backend"',
}
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "health": ("GET", "/health", None),
    "setup": ("POST", "/setup", SETUP),
    "predict": ("POST", "/predict", PREDICT),
    "versions": ("GET", "/versions", None),
    "event": ("POST", "/webhook", EVENT),
    "start training": ("POST", "/webhook", START),
    "page": ("GET", "/", None),
    "metrics": ("GET", "/metrics", None),
    "train": ("POST", "/api/projects/3/train", {}),
}
OPEN_TO = {"health": {"none", "backend"}, "event": {"backend", "webhook"}}


def app_of(services: Services, **settings: Any) -> Flask:
    return create_app(with_settings(services, **settings))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """One backend for the whole matrix, whose project is connected."""
    client = app_of(build_test_services(tmp_path_factory.mktemp("guarded")), host="0.0.0.0", **GUARDED).test_client()
    assert client.post("/setup", json=SETUP, headers={"Authorization": CREDENTIALS["backend"]}).status_code == 200
    return client


def ask(client: FlaskClient, request: str, authorization: str | None) -> TestResponse:
    method, path, body = REQUESTS[request]
    headers: Mapping[str, str] = {"Authorization": authorization} if authorization is not None else {}
    return client.open(path, method=method, json=body, headers=headers, buffered=True)


def is_for_people(request: str) -> bool:
    return request in ("page", "train")


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("request_name", REQUESTS)
def test_credentials_open_what_they_are_for(guarded: FlaskClient, request_name: str, credentials: str) -> None:
    response = ask(guarded, request_name, CREDENTIALS[credentials])

    if credentials in OPEN_TO.get(request_name, {"backend"}):
        assert response.status_code == 200
    elif credentials == "webhook":
        assert response.status_code == 403
        assert "may only post events" in response.get_json()["error"]
    else:
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="labelloop"'
        assert "LABELLOOP_PASSWORD" in response.get_json()["error"]


def test_every_route_for_machines_but_health_is_closed(services: Services) -> None:
    app = app_of(services, **GUARDED)
    client = app.test_client()
    closed = {}

    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            if rule.endpoint.startswith("label_studio."):
                closed[method, rule.rule] = client.open(rule.rule, method=method, json={}).status_code

    assert closed.pop(("GET", "/health")) == 200
    assert set(closed.values()) == {401}
    assert {path for _, path in closed} | {"/health"} == FOR_MACHINES


def test_unknown_paths_are_closed_too(guarded: FlaskClient) -> None:
    assert guarded.get("/nothing").status_code == 401
    assert guarded.get("/webhook/../metrics", headers={"Authorization": CREDENTIALS["webhook"]}).status_code == 403
    assert guarded.post("/webhook/", json=EVENT, headers={"Authorization": CREDENTIALS["webhook"]}).status_code == 403


def test_start_training_with_the_webhooks_credentials_makes_no_job(services: Services) -> None:
    client = app_of(services, **GUARDED).test_client()

    assert ask(client, "start training", CREDENTIALS["webhook"]).status_code == 403
    assert services.database.jobs.newest() == []
    assert ask(client, "start training", CREDENTIALS["backend"]).status_code == 200
    assert len(services.database.jobs.newest()) == 1


def test_on_loopback_label_studio_needs_no_password_and_people_need_a_session(client: FlaskClient) -> None:
    client.post("/setup", json=SETUP)

    statuses = {name: ask(client, name, None).status_code for name in REQUESTS}
    assert statuses == {name: 401 if is_for_people(name) else 200 for name in REQUESTS}


def test_without_a_password_the_webhooks_user_is_nobody_special(client: FlaskClient) -> None:
    assert ask(client, "start training", basic_auth("webhook", "")).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost:9090", "LOCALHOST", "127.0.0.1:1", "127.0.0.1", "[::1]:9090", "loop.example.com"]
)
def test_on_loopback_the_hosts_own_names_are_answered(services: Services, host: str) -> None:
    client = app_of(services, public_url="https://loop.example.com/labelloop").test_client()

    assert client.get("/health", headers={"Host": host}).status_code == 200


def test_on_loopback_a_foreign_host_is_refused(services: Services, client: FlaskClient) -> None:
    hosts = ("evil.test", "evil.test:9090", "localhost.evil.test", "127.0.0.1.evil.test", "127.0.0.2", "0.0.0.0")
    answers = {}

    for host in (*hosts, "localhost@evil.test"):
        for name in ("health", "setup", "start training", "page"):
            method, path, body = REQUESTS[name]
            answers[host, name] = client.open(path, method=method, json=body, headers={"Host": host}).status_code

    assert {call: status for call, status in answers.items() if status not in (400, 403)} == {}
    assert services.database.projects.all() == []


def test_on_loopback_with_a_password_the_host_is_checked_first(services: Services) -> None:
    client = app_of(services, **GUARDED).test_client()
    headers = {"Host": "evil.test", "Authorization": str(CREDENTIALS["backend"])}

    assert client.get("/", headers=headers).status_code == 403


def test_off_loopback_any_host_name_will_do(guarded: FlaskClient) -> None:
    headers = {"Host": "behind-a-proxy.example.com", "Authorization": str(CREDENTIALS["backend"])}

    assert guarded.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "", None],
)
def test_bodies_that_a_foreign_page_could_send_unasked_are_refused(
    client: FlaskClient, content_type: str | None
) -> None:
    for path in ("/setup", "/predict", "/webhook"):
        response = client.post(path, data="{}", content_type=content_type)

        assert response.status_code == 415, path
        assert "wanted application/json" in response.get_json()["error"]


def test_a_charset_beside_the_content_type_is_in_order(client: FlaskClient) -> None:
    response = client.post("/setup", data=json.dumps(SETUP), content_type="application/json; charset=utf-8")

    assert response.status_code == 200


@pytest.fixture
def strict(services: Services, caplog: pytest.LogCaptureFixture) -> FlaskClient:
    caplog.set_level(logging.WARNING)
    return app_of(services, **GUARDED).test_client()


@pytest.mark.parametrize(
    ("authorization", "path", "reason"),
    [
        (None, "/setup", "no credentials"),
        ("", "/predict", "wrong credentials"),
        (basic_auth("labelloop", "hunter2"), "/setup", "wrong credentials"),
        (basic_auth("secret-of-backend", "labelloop"), "/webhook", "wrong credentials"),
        ('Digest username="labelloop", password="secret-of-backend"', "/setup", "wrong credentials"),
        (basic_auth("webhook", "secret-of-webhook"), "/predict", "the webhook's credentials"),
    ],
)
def test_each_failed_login_is_logged_with_its_peer_and_counted_by_its_reason(
    strict: FlaskClient, caplog: pytest.LogCaptureFixture, authorization: str | None, path: str, reason: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    strict.post(path, json={}, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.7"})

    metrics = strict.get("/metrics", headers={"Authorization": basic_auth("labelloop", "secret-of-backend")})

    assert caplog.messages == [f"failed login from 203.0.113.7, POST {path}: {reason}"]
    assert f'labelloop_failed_logins_total{{reason="{reason}"}} 1.0' in metrics.get_data(as_text=True)
    assert not [word for word in ("hunter2", "secret") if word in caplog.text]


def test_other_refusals_and_right_credentials_are_no_failed_logins(
    strict: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    right = {"Authorization": basic_auth("labelloop", "secret-of-backend")}

    strict.get("/health")
    strict.get("/", headers=right)
    strict.get("/", headers=right | {"Host": "evil.test"})
    strict.post("/setup", data="x", headers=right)

    assert caplog.messages == []


def test_a_flood_of_failed_logins_is_counted_and_the_log_says_how_many_it_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    counted: list[str] = []
    now = [100.0]
    app = Flask("guarded")
    Guard(BackendOptions(**GUARDED), counted.append, lambda: now[0]).protect(app)
    client = app.test_client()

    for number in range(101):
        now[0] += 60 * (number == 100)
        client.get("/setup", headers={"X-Forwarded-For": "198.51.100.2"}, environ_base={"REMOTE_ADDR": None})

    assert counted == ["no credentials"] * 101
    assert len(caplog.messages) == 11
    assert caplog.messages[0].startswith("failed login from unknown (forwarded for '198.51.100.2'), GET /setup")
    assert caplog.messages[-1].endswith("; 90 more went unlogged before")
