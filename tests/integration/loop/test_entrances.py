"""The server as a network meets it: slow, broken, greedy and hostile clients."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_backend.labelstudio.local import free_port
from ml_backend.web.patient_worker import HEAD_TIMEOUT_S
from ml_backend.workflows.connecting.webhook import basic_auth
from tests.backend_process import Backend, running_backend
from tests.running import running_process

PASSWORDS = {"LABELLOOP_PASSWORD": "backend-secret-1", "LABELLOOP_WEBHOOK_PASSWORD": "webhook-secret-1"}
RIGHT = {"Authorization": basic_auth("labelloop", "backend-secret-1")}
JSON = {"Content-Type": "application/json"}
HEAD = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ASKS = HEAD + f"Authorization: {RIGHT['Authorization']}\r\n".encode()
SLOW_BEGINNINGS = {
    "nothing": b"",
    "half a line": b"GET /heal",
    "half a head": HEAD,
    "half a body": ASKS + b"Content-Length: 10000000\r\n\r\n{",
    "half a chunk": HEAD
    + f"Authorization: {RIGHT['Authorization']}\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n".encode(),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    home = tmp_path_factory.mktemp("home")
    with running_backend(home, "--no-worker", environment=PASSWORDS | {"LABELLOOP_THREADS": "2"}) as running:
        yield running


def port_of(backend: Backend) -> int:
    return int(backend.url.rpartition(":")[2])


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=HEAD_TIMEOUT_S + 5)


def asked(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def seconds_until_health(backend: Backend) -> float:
    started = time.monotonic()
    assert asked(port_of(backend), "GET", "/health")[0] == 200
    return time.monotonic() - started


@pytest.mark.parametrize("beginning", SLOW_BEGINNINGS.values(), ids=SLOW_BEGINNINGS)
def test_two_hundred_slow_clients_keep_nobody_waiting(backend: Backend, beginning: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(closing(connected(port_of(backend)))).sendall(beginning)
        assert seconds_until_health(backend) < 1


def test_clients_that_read_nothing_keep_nobody_waiting(backend: Backend) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            flood = stack.enter_context(closing(connected(port_of(backend))))
            flood.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    flood.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        assert seconds_until_health(backend) < 2


def test_a_head_has_to_come_in_time(backend: Backend) -> None:
    started = time.monotonic()
    with closing(connected(port_of(backend))) as client:
        client.sendall(b"GET /hea")
        answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert time.monotonic() - started < HEAD_TIMEOUT_S + 3


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        (401, "/webhook", JSON),
        (403, "/setup", JSON | RIGHT | {"Host": "evil.test"}),
        (403, "/predict", JSON | {"Authorization": basic_auth("webhook", "webhook-secret-1")}),
        (415, "/setup", {"Content-Type": "text/plain"} | RIGHT),
        (413, "/setup", JSON | RIGHT),
        (413, "/api/jobs/1/cancel", JSON | RIGHT),
    ],
)
def test_who_is_refused_before_the_body_is_read_gets_the_answer(
    backend: Backend, status: int, path: str, headers: dict[str, str]
) -> None:
    answers = [asked(port_of(backend), "POST", path, b"x" * 20_000_000, headers) for _ in range(5)]

    assert [found for found, _ in answers] == [status] * 5
    assert b'"error"' in answers[0][1]


def test_a_slow_body_without_credentials_is_refused_at_once(backend: Backend) -> None:
    with closing(connected(port_of(backend))) as client:
        client.sendall(HEAD + b"Content-Length: 10000000\r\n\r\n{")
        started = time.monotonic()
        answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "beginning", [b"GET /heal", HEAD, ASKS + b"Content-Length: 100\r\n\r\n{}", SLOW_BEGINNINGS["half a chunk"]]
)
def test_who_sends_less_than_was_promised_gets_an_answer(backend: Backend, beginning: bytes) -> None:
    with closing(connected(port_of(backend))) as client:
        client.sendall(beginning)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(1000)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"ends before all of it has come" in answer


def test_bytes_that_are_no_request_end_nothing(backend: Backend) -> None:
    for junk in (b"\x16\x03\x01\x02\r\n\r\n", b"\r\n\r\n", b"\0" * 100_000, HEAD + b"Content-Length: x\r\n\r\n"):
        with closing(connected(port_of(backend))) as client:
            client.sendall(junk)
            assert client.recv(1000).startswith(b"HTTP/1.1 4")

    assert asked(port_of(backend), "GET", "/health")[0] == 200


@dataclass(frozen=True)
class SlowServer:
    """gunicorn with our worker over `tests.slow_application`."""

    process: "subprocess.Popen[bytes]"
    port: int


@contextmanager
def slow_server(folder: Path, *options: str) -> Iterator[SlowServer]:
    port = free_port()
    worker = ("--worker-class", "ml_backend.web.patient_worker.PatientWorker", "--no-control-socket")
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *worker, *options]
    application = "tests.slow_application:application"
    with running_process([*command, application], folder / "log", url=f"http://127.0.0.1:{port}/0/0") as process:
        yield SlowServer(process, port)
        process.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, "--threads", "4", "--graceful-timeout", "20") as running:
        yield running


def test_a_request_under_way_is_answered_before_the_server_ends(server: SlowServer) -> None:
    answers: list[tuple[int, bytes]] = []
    with closing(connected(server.port)), closing(connected(server.port)) as half:
        half.sendall(b"GET /0/0 HTTP/1.1\r\n")
        asking = threading.Thread(target=lambda: answers.append(asked(server.port, "POST", "/2/3", b"12345")))
        asking.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert server.process.wait(15) == 0
        asking.join()

    assert answers == [(200, b"5 xxx")]
    assert time.monotonic() - started < 8  # those who have asked for nothing yet are not waited for


def test_a_client_that_takes_its_answer_slowly_holds_no_thread(server: SlowServer) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(connected(server.port))) for _ in range(8)]
        for client in slow:
            client.sendall(b"GET /0/30000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)
        assert asked(server.port, "GET", "/0/1") == (200, b"0 x")
        received = 0
        while received < 30_000_000:
            received += len(slow[0].recv(1_000_000))


def test_more_clients_than_fit_in_push_out_those_that_ask_for_nothing(tmp_path: Path) -> None:
    with slow_server(tmp_path, "--worker-connections", "20", "--threads", "2") as server, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(closing(connected(server.port)))
        assert asked(server.port, "GET", "/0/1") == (200, b"0 x")
