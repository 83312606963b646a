"""Failed logins: counted, and logged as far as somebody can read them."""

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from ml_backend.options import Options
from ml_backend.web import create_app
from ml_backend.web.failed_logins import LINES_PER_MINUTE, FailedLogins
from ml_backend.workflows.connecting.webhook import basic_auth
from tests.services import build_test_services

SECRETS = {"password": "secret-of-backend", "webhook_password": "secret-of-webhook"}


@pytest.fixture
def client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> FlaskClient:
    caplog.set_level(logging.WARNING)
    return create_app(build_test_services(tmp_path), Options(**SECRETS)).test_client()


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
def test_each_is_logged_with_its_peer_and_counted_by_its_reason(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, authorization: str | None, path: str, reason: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    client.post(path, json={}, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.7"})

    metrics = client.get("/metrics", headers={"Authorization": basic_auth("labelloop", "secret-of-backend")})

    assert caplog.messages == [f"failed login from 203.0.113.7, POST {path}: {reason}"]
    assert f'labelloop_failed_logins_total{{reason="{reason}"}} 1.0' in metrics.get_data(as_text=True)
    assert not [word for word in ("hunter2", "secret") if word in caplog.text]


def test_other_refusals_and_right_credentials_are_none(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    right = {"Authorization": basic_auth("labelloop", "secret-of-backend")}

    client.get("/health")
    client.get("/", headers=right)
    client.get("/", headers=right | {"Host": "evil.test"})
    client.post("/setup", data="x", headers=right)

    assert caplog.messages == []


def test_a_flood_is_counted_and_the_log_says_how_many_it_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    counted: list[str] = []
    now = [100.0]
    logins = FailedLogins(counted.append, lambda: now[0])
    request = Request(EnvironBuilder(path="/setup", headers={"X-Forwarded-For": "198.51.100.2"}).get_environ())

    for _ in range(1000):
        logins.note(request, "wrong credentials")
    now[0] += 60
    logins.note(request, "wrong credentials")

    assert len(counted) == 1001
    assert len(caplog.messages) == LINES_PER_MINUTE + 1
    assert caplog.messages[0].startswith("failed login from unknown (forwarded for '198.51.100.2'), GET /setup")
    assert caplog.messages[-1].endswith(f"; {1000 - LINES_PER_MINUTE} more went unlogged before")
