"""The hook that posts signed messages, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

from ml_backend.domain.snapshot import Snapshot
from ml_backend.errors import ConfigurationError
from ml_backend.hooks import TrainingInfo
from ml_backend.hooks.notifier import WebhookNotifier
from tests.unit.hooks.builders import ALARM, empty_snapshot, hooks_of

SECRET = "a secret of both sides"
NOW = 1_800_000_000.0


class Receiver:
    """Answers with the statuses it was given, one after the other, then 200, and keeps what it got."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    def take(self) -> Response:
        self.received.append((dict(request.headers), request.get_data()))
        return Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def messages(self) -> list[object]:
        return [json.loads(body) for _, body in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    app = Flask("receiver")
    app.post("/hook")(found.take)
    server = make_server("127.0.0.1", 0, app)
    found.url = f"http://127.0.0.1:{server.port}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return empty_snapshot(tmp_path)


def notifier(receiver: Receiver, pauses: list[float] | None = None) -> WebhookNotifier:
    return WebhookNotifier(receiver.url, SECRET, now=lambda: NOW, pause=(pauses if pauses is not None else []).append)


def test_what_happens_is_posted_without_texts(receiver: Receiver, snapshot: Snapshot) -> None:
    hooks = hooks_of(notifier(receiver))
    hooks.snapshot_written(snapshot)
    hooks.snapshot_written(Snapshot(snapshot.path, snapshot.manifest, is_new=False))  # no news
    hooks.model_trained(TrainingInfo("tickets-1", snapshot, "tickets-1-v1", {"macro_f1": 0.5}))
    hooks.model_promoted("tickets-1", "tickets-1-v1", "tickets-1-cold-start-x", "better")
    hooks.drift_found("tickets-1", ALARM)
    assert hooks.drain(10)
    counts = {"train": 0, "validation": 0, "test": 0, "unresolved": 0, "dropped": 0}
    version = {"project": "tickets-1", "model_version": "tickets-1-v1"}
    assert receiver.messages == [
        {
            "event": "snapshot_written",
            "data": {"project": "tickets-1", "snapshot_id": snapshot.id, "counts": counts},
        },
        {"event": "model_trained", "data": {**version, "snapshot_id": snapshot.id, "metrics": {"macro_f1": 0.5}}},
        {"event": "model_promoted", "data": {**version, "previous": "tickets-1-cold-start-x", "reason": "better"}},
        {
            "event": "drift_found",
            "data": {"project": "tickets-1", "model_version": "v2", "kind": "errors", "sentence": "worse"},
        },
    ]


def test_the_signature_proves_sender_body_and_time(receiver: Receiver) -> None:
    notifier(receiver).model_promoted("p", "v2", "v1", "Größe")
    ((headers, body),) = receiver.received
    assert headers[WebhookNotifier.TIMESTAMP] == str(int(NOW))
    assert headers[WebhookNotifier.SIGNATURE] == WebhookNotifier.signature(
        SECRET, headers[WebhookNotifier.TIMESTAMP], body
    )
    others = [("another secret, as long", headers[WebhookNotifier.TIMESTAMP], body), (SECRET, "1800000001", body)]
    assert all(
        WebhookNotifier.signature(*each) != headers[WebhookNotifier.SIGNATURE]
        for each in (*others, (SECRET, headers[WebhookNotifier.TIMESTAMP], body + b" "))
    )
    assert SECRET.encode() not in body
    assert SECRET not in str(headers)


def test_a_passing_trouble_is_tried_again_as_the_same_delivery(receiver: Receiver) -> None:
    pauses: list[float] = []
    receiver.statuses = [503, 429]
    notifier(receiver, pauses).model_promoted("p", "v2", "v1", "")
    assert pauses == [0.5, 1.0]
    assert len({headers["X-Labelloop-Delivery"] for headers, _ in receiver.received}) == 1
    assert len(receiver.received) == 3


@pytest.mark.parametrize(("statuses", "attempts"), [([500] * 9, 3), ([404], 1), ([302], 1)])
def test_tries_are_bounded(receiver: Receiver, statuses: list[int], attempts: int) -> None:
    receiver.statuses = list(statuses)
    with pytest.raises(ConnectionError, match=f"model_promoted was not delivered .* it answered {statuses[0]}"):
        notifier(receiver).model_promoted("p", "v2", "v1", "")
    assert len(receiver.received) == attempts


def test_nobody_there_is_an_error_of_the_hook_alone() -> None:
    notifier = WebhookNotifier("http://127.0.0.1:9/", SECRET, pause=lambda _: None)
    with pytest.raises(ConnectionError, match="ConnectError"):
        notifier.model_promoted("p", "v2", "v1", "")


@pytest.mark.parametrize(
    ("url", "secret", "message"),
    [("ftp://x", SECRET, "NOTIFY_URL: 'ftp://x' found"), ("http://x", "short", "NOTIFY_SECRET has 5 characters")],
)
def test_settings_that_cannot_work_are_refused(url: str, secret: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WebhookNotifier(url, secret)
