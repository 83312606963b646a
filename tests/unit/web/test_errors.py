"""Errors as HTTP answers."""

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ml_backend import errors
from ml_backend.web.app import create_app
from ml_backend.web.shell import POLICY
from ml_backend.workflows.connecting.webhook import basic_auth
from tests.services import build_test_services, with_settings


class Boom:
    """A view that raises what it is given."""

    error: Exception = RuntimeError()

    def __call__(self) -> str:
        raise self.error


@pytest.fixture
def boom() -> Boom:
    return Boom()


@pytest.fixture
def client(tmp_path: Path, boom: Boom) -> FlaskClient:
    app = create_app(with_settings(build_test_services(tmp_path), password="secret-1", webhook_password="secret-2"))
    app.add_url_rule("/boom", "boom", boom.__call__)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = basic_auth("labelloop", "secret-1")
    return client


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.PayloadError("m"), 400),
        (errors.UnreadableLabelConfig("m"), 422),
        (errors.UnsupportedLabelConfig("m"), 422),
        (errors.ProjectNotFound("m"), 404),
        (errors.JobNotFound("m"), 404),
        (errors.ModelNotFound("m"), 404),
        (errors.JobError("m"), 409),
        (errors.StudioUnreachable("m"), 502),
        (errors.StudioRejected("m", status=403), 502),
        (errors.EncoderError("m"), 500),
        (errors.BundleError("m"), 500),
    ],
)
def test_each_kind_of_error_has_its_status(client: FlaskClient, boom: Boom, error: Exception, status: int) -> None:
    boom.error = error

    response = client.get("/boom")

    assert (response.status_code, response.status) == (status, f"{status} m")
    assert response.get_json() == {"error": "m"}


def test_an_error_nobody_foresaw_tells_nothing_of_itself(
    client: FlaskClient, boom: Boom, caplog: pytest.LogCaptureFixture
) -> None:
    boom.error = RuntimeError("the password is hunter2")

    response = client.get("/boom")

    assert (response.status_code, response.get_json()) == (500, {"error": "labelloop failed here; its log says why"})
    assert "hunter2" not in response.get_data(as_text=True) + response.status
    assert "Traceback" in caplog.text
    assert caplog.messages == ["GET /boom failed"]


def test_a_foreseen_error_is_logged_without_a_traceback(
    client: FlaskClient, boom: Boom, caplog: pytest.LogCaptureFixture
) -> None:
    boom.error = errors.StudioUnreachable("away")
    caplog.set_level(logging.WARNING)

    client.get("/boom")

    assert caplog.messages == ["GET /boom: away"]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("two\nlines\r\nX-Injected: yes", "two lines X-Injected: yes"),
        ("Ä label “x”", "? label ?x?"),
        ("a\x00b\x7fc", "abc"),
        ("x" * 401, "x" * 397 + "..."),
        ("x" * 400, "x" * 400),
    ],
)
def test_the_status_line_carries_the_message_as_far_as_it_can(
    client: FlaskClient, boom: Boom, message: str, reason: str
) -> None:
    boom.error = errors.UnsupportedLabelConfig(message)

    response = client.get("/boom")

    assert response.status == f"422 {reason}"
    assert response.get_json()["error"] == message
    assert "X-Injected" not in response.headers


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/setup", 405)])
def test_what_is_not_there_is_said_as_json(client: FlaskClient, method: str, path: str, status: int) -> None:
    response = client.open(path, method=method)

    assert response.status_code == status
    assert set(response.get_json()) == {"error"}


def test_failed_requests_are_counted_by_their_error(client: FlaskClient, boom: Boom) -> None:
    for error in (errors.PayloadError("m"), RuntimeError("m"), RuntimeError("m")):
        boom.error = error
        client.get("/boom")

    metrics = client.get("/metrics").get_data(as_text=True)

    assert 'labelloop_errors_total{error="PayloadError"} 1.0' in metrics
    assert 'labelloop_errors_total{error="RuntimeError"} 2.0' in metrics


def test_every_answer_is_hardened(client: FlaskClient) -> None:
    for path in ("/", "/health", "/nothing"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
