"""What the client makes of answers that a healthy Label Studio seldom gives."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.errors import StudioError, StudioRejected
from ml_backend.labelstudio.client import StudioClient

TASK = {"id": 1, "data": {"text": "a"}, "annotations": [{"id": 5, "result": []}]}
EXPORTS = "/api/projects/1/exports/"
IMPORT = "/api/projects/1/import"
PUSH = f"{IMPORT}/predictions"


class Server:
    """A few of Label Studio's endpoints, as far as one test needs them.

    Attributes:
        calls: every call as (method, path, query, body).
        routes: what answers (method, path); the first answer of a list is used up unless it is the last.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []
        self.routes: dict[tuple[str, str], list[Any]] = {}

    def on(self, method: str, path: str, *answers: Any) -> None:
        self.routes[method, path] = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.calls.append((request.method, request.url.path, dict(request.url.params), body))
        answers = self.routes[request.method, request.url.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request.url.params, body)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def made(self, method: str, path: str) -> list[Any]:
        """Bodies of the calls of an endpoint."""
        return [body for m, p, _, body in self.calls if (m, p) == (method, path)]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Iterator[StudioClient]:
    transport = httpx.MockTransport(server)
    with closing(StudioClient("http://studio.test", "0123456789", 5, transport=transport, retry_wait_s=0)) as client:
        yield client


def prediction(version: str = "m-v1") -> Prediction:
    return Prediction(({"from_name": "c", "value": {"choices": ["A"]}},), 0.5, version)


def tasks_in(*ids: int) -> Callable[[Any, Any], dict[str, Any]]:
    """The tasks list of a project that holds these tasks, three on a page at most."""

    def answer(params: Any, _body: Any) -> dict[str, Any]:
        filters = json.loads(params["query"])["filters"]["items"]
        last = next(each["value"] for each in filters if each["operator"] == "greater")
        span = next((each["value"] for each in filters if each["operator"] == "in"), {"min": 0, "max": 10**9})
        found = [number for number in ids if number > last and span["min"] <= number <= span["max"]]
        return {"total": len(found), "tasks": [{"id": number, "data": {"n": number}} for number in found[:3]]}

    return answer


@pytest.fixture
def export(server: Server) -> dict[str, Any]:
    """One export of project 1, complete at once, found by the title that it was asked for with."""
    state: dict[str, Any] = {"id": 9, "status": "completed", "title": None}

    def create(_params: Any, body: Any) -> dict[str, Any]:
        state["title"] = body["title"]
        return state

    server.on("POST", EXPORTS, create)
    server.on("GET", EXPORTS, lambda *_: [{"id": 8, "title": "someone's", "status": "completed"}, state])
    server.on("GET", f"{EXPORTS}9/download", [TASK])
    server.on("DELETE", f"{EXPORTS}9", httpx.Response(204))
    server.on("GET", "/api/projects/1/", {"id": 1, "skipped_annotations_number": 0})
    return state


def test_predictions_are_pushed_in_few_large_calls(client: StudioClient, server: Server) -> None:
    assert client.push_predictions(1, []) == 0
    assert server.calls == []
    server.on("POST", PUSH, lambda _, body: {"created": len(body)})

    created = client.push_predictions(1, [(number, prediction()) for number in range(20_002)])

    calls = server.made("POST", PUSH)
    assert created == 20_002
    assert [len(body) for body in calls] == [20_000, 2]
    assert calls[1][-1] == {
        "task": 20_001,
        "result": [{"from_name": "c", "value": {"choices": ["A"]}}],
        "score": 0.5,
        "model_version": "m-v1",
    }


@pytest.mark.parametrize(
    ("answer", "message", "calls"),
    [
        (httpx.Response(400, json={"detail": "bad"}), "with 400: bad", 2),  # the second one reads which tasks there are
        (httpx.Response(403), "403", 1),
        (httpx.Response(413), "413", 1),
        (httpx.Response(500), "500", 1),
        (httpx.ReadTimeout("slow"), "did not answer", 1),
    ],
)
def test_a_push_that_is_refused_otherwise_is_not_made_again(
    client: StudioClient, server: Server, answer: Any, message: str, calls: int
) -> None:
    server.on("POST", PUSH, answer)
    server.on("GET", "/api/tasks", tasks_in(1))

    with pytest.raises(StudioError, match=message):
        client.push_predictions(1, [(1, prediction())])

    assert (len(server.made("POST", PUSH)), len(server.calls)) == (1, calls)


def test_a_push_that_a_proxy_finds_too_large_is_sent_in_halves(client: StudioClient, server: Server) -> None:
    def at_most_two(_params: Any, body: Any) -> Any:
        return {"created": len(body)} if len(body) <= 2 else httpx.Response(413, json={"detail": "too large"})

    server.on("POST", PUSH, at_most_two)

    assert client.push_predictions(1, [(number, prediction()) for number in range(1, 6)]) == 5
    stored = [[item["task"] for item in body] for body in server.made("POST", PUSH)]
    assert [tasks for tasks in stored if len(tasks) <= 2] == [[1, 2], [3], [4, 5]]


def test_pages_that_are_smaller_than_asked_for_are_read_to_the_end(client: StudioClient, server: Server) -> None:
    server.on("GET", "/api/tasks", tasks_in(*range(10, 18)))
    server.on("GET", "/api/projects/1/model-versions/", {"static": []})

    found = list(client.tasks_without_prediction(1, "m-v1"))

    assert [task.id for task in found] == list(range(10, 18))
    assert len(server.made("GET", "/api/tasks")) == 3
    server.on("GET", "/api/tasks", {"total": 7, "tasks": []})
    assert list(client.tasks_without_prediction(1, "m-v1")) == []


def test_large_imports_go_in_batches_and_must_be_over_when_answered(client: StudioClient, server: Server) -> None:
    server.on("POST", IMPORT, lambda _, body: {"task_count": len(body)})
    assert client.import_tasks(1, [{"text": str(number)} for number in range(2500)]) == 2500
    assert [len(body) for body in server.made("POST", IMPORT)] == [1000, 1000, 500]

    server.on("POST", IMPORT, {"import": 17})
    with pytest.raises(StudioRejected, match=r"lacks a number under 'task_count'.*Community"):
        client.import_tasks(1, [{"text": "a"}])


@pytest.mark.parametrize("answer", [[], "text", 5])
def test_json_of_another_shape_is_no_label_studio(client: StudioClient, server: Server, answer: Any) -> None:
    server.on("GET", "/api/version", answer)

    with pytest.raises(StudioRejected, match=r"a JSON object was wanted .* LABELLOOP_STUDIO_URL"):
        client.version()


@pytest.mark.parametrize("first", ["in progress", "gateway timeout"])
def test_an_export_that_takes_longer_is_waited_for(
    client: StudioClient, server: Server, export: dict[str, Any], first: str
) -> None:
    export["status"] = "in_progress"

    def create(_params: Any, body: Any) -> Any:
        export["title"] = body["title"]
        return httpx.Response(504) if first == "gateway timeout" else dict(export)

    def listed(*_: Any) -> Any:
        export["status"] = "completed"
        return [dict(export)]

    server.on("POST", EXPORTS, create)
    server.on("GET", EXPORTS, listed)

    assert [task.id for task in client.reviewed_tasks(1)] == [1]


@pytest.mark.parametrize("content", [b'[{"id": 1, "data"', b'{"detail": "no"}', b"<html>"])
def test_an_export_that_is_cut_or_something_else_is_told(
    client: StudioClient, server: Server, export: dict[str, Any], content: bytes
) -> None:
    server.on("GET", f"{EXPORTS}9/download", httpx.Response(200, content=content))

    with pytest.raises(StudioRejected, match=r"is no JSON list, or was cut short .*; try again"):
        list(client.reviewed_tasks(1))


ODD_DATA = r"""{"text": "a\ud83d \ud83d\ude00", "hash": 14695981039346656037, "long": 98765432109876543210, "x": NaN}"""
READ_DATA = {"text": "a\ufffd \U0001f600", "hash": 14695981039346656037, "long": 98765432109876543210, "x": None}


def test_one_task_with_an_odd_value_keeps_no_project_from_being_read(
    client: StudioClient, server: Server, export: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    content = f'[{{"id": 1, "data": {ODD_DATA}, "annotations": []}}, {json.dumps(TASK | {"id": 2})}]'
    server.on("GET", f"{EXPORTS}9/download", httpx.Response(200, content=content.encode()))

    with caplog.at_level(logging.WARNING, "ml_backend"):
        tasks = list(client.reviewed_tasks(1))

    assert [tasks[0].data, tasks[1].id] == [READ_DATA, 2]
    assert [message.rpartition(": ")[2] for message in caplog.messages] == ["1", "1"]


@pytest.mark.parametrize(
    ("method", "path", "answer", "message"),
    [
        ("GET", f"{EXPORTS}9/download", httpx.ReadError("reset"), "cannot be reached"),
        ("POST", EXPORTS, httpx.Response(403, json={"detail": "no permission"}), "with 403: no permission"),
        ("", "", None, "ended as failed; look at Label Studio's log"),
    ],
)
def test_an_export_that_fails_is_reported_and_deleted(  # noqa: PLR0917
    client: StudioClient, server: Server, export: dict[str, Any], method: str, path: str, answer: Any, message: str
) -> None:
    export["status"] = "completed" if method else "failed"
    if method:
        server.on(method, path, answer)

    with pytest.raises(StudioError, match=message):
        list(client.reviewed_tasks(1))

    assert export["title"] is None or ("DELETE", f"{EXPORTS}9", {}, None) in server.calls


def test_an_export_that_cannot_be_deleted_does_no_harm(
    client: StudioClient, server: Server, export: dict[str, Any]
) -> None:
    server.on("DELETE", f"{EXPORTS}9", httpx.Response(500))

    assert [task.id for task in client.reviewed_tasks(1)] == [1]


def test_backends_and_webhooks_come_by_id(client: StudioClient, server: Server) -> None:
    for path in ("/api/ml", "/api/webhooks/"):
        server.on("GET", path, [{"id": 3}, {"id": 1}, {"id": 2}])

    assert [row["id"] for row in client.backends(1)] == [1, 2, 3]
    assert [row["id"] for row in client.webhooks(1)] == [1, 2, 3]
    assert [params for _, _, params, _ in server.calls] == [{"project": "1"}] * 2
    assert repr(client) == "StudioClient('http://studio.test')"  # no token
