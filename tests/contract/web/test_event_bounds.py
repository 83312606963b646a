"""How large an event may be, at both applications that answer for this one."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml_backend.web.limits import body_limit
from ml_backend.workflows.services import Services
from tests.contract.web.applications import OWN, Application
from tests.recordings import recorded


def post(client: FlaskClient, body: bytes, **more: Any) -> TestResponse:
    return client.post("/webhook", data=body, content_type="application/json", **more)


def test_an_event_larger_than_any_of_label_studio_is_not_read(client: FlaskClient) -> None:
    response = post(client, b"{}", environ_overrides={"CONTENT_LENGTH": str(body_limit("/webhook") + 1)})

    assert response.status_code == 413


@pytest.mark.parametrize("value", [b"1", b"{}", b"[]"])
def test_an_event_of_more_values_than_label_studio_sends_is_not_parsed(client: FlaskClient, value: bytes) -> None:
    body = b'{"action": "ANNOTATION_CREATED", "annotation": [' + (value + b",") * 2_000_000 + value + b"]}"

    response = post(client, body)

    assert response.status_code == 413
    if response.is_json:  # label-studio-ml words the error differently
        assert "2000001 commas found" in response.get_json()["error"]


def test_strangers_cannot_have_an_event_read(
    services: Services, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELLOOP_PASSWORD", "secret-of-backend")
    monkeypatch.setenv("LABELLOOP_WEBHOOK_PASSWORD", "secret-of-webhook")
    client = application.make(services).test_client()

    assert post(client, b"," * 2_000_001).status_code == 401


@pytest.mark.parametrize("application", [OWN], indirect=True)
def test_the_largest_events_of_label_studio_are_stored(services: Services, client: FlaskClient) -> None:
    body = recorded("webhook_annotations_created")
    (annotation,), (task,) = body["annotation"], body["task"]
    many = range(1, 5001)
    body["annotation"] = [annotation | {"id": number, "task": number} for number in many]
    body["task"] = [task | {"id": number, "data": {"text": f"Text {number}, and more. " * 40}} for number in many]

    response = post(client, json.dumps(body).encode())

    assert response.get_json() == {"status": "ok", "new_events": 5000}
    deleted = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": n} for n in range(30_000)]}
    response = post(client, json.dumps(deleted | {"project": body["project"]}).encode())
    assert response.get_json() == {"status": "ok", "new_events": 30_000}
