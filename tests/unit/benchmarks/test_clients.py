"""Clients measure what a server answers, and count what it does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from benchmarks.support.clients import Load, asking


@contextmanager
def server(*, fails_every: int = 0, leaves_out: int = 0) -> Iterator[tuple[str, list[list[str]]]]:
    """A backend on loopback that pre-labels every task but the first few; and the texts of every request."""
    requests: list[list[str]] = []
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            tasks = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["tasks"]
            requests.append([task["data"]["text"] for task in tasks])
            is_failed = fails_every and next(numbers) % fails_every == 0
            results = [
                {"result": [] if n < leaves_out else [{"value": {}}], "model_version": "v7"} for n in range(len(tasks))
            ]
            body = json.dumps({"results": results}).encode()
            self.send_response(500 if is_failed else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}", requests
        finally:
            listening.shutdown()
            thread.join()


def load(url: str, folder: Path, *, clients: int, batch: int) -> Load:
    pool = folder / "pool.json"
    pool.write_text(json.dumps({"short": ["where is my new card please", "how do I top up by cheque now"]}))
    return Load(url, str(pool), "<View/>", clients, batch, "short", seconds=0.3, seed=1)


def test_every_client_asks_about_texts_of_its_own(tmp_path: Path) -> None:
    with server() as (url, requests):
        found = asking(load(url, tmp_path, clients=3, batch=2)).result()
    assert (found["failed"], found["versions"]) == (0, ["v7"])
    assert found["texts"] == 2 * len(found["milliseconds"]) == sum(map(len, requests))
    assert found["wall_s"] >= 0.3
    texts = [text for asked in requests for text in asked]
    assert len(set(texts)) > 0.9 * len(texts)


def test_refused_requests_count_as_failed(tmp_path: Path) -> None:
    with server(fails_every=2) as (url, requests):
        found = asking(load(url, tmp_path, clients=1, batch=1)).result()
    assert found["failed"] == len(requests) // 2 > 0
    assert found["failures"][0].startswith("status 500")


def test_a_task_without_a_prelabel_counts_as_failed(tmp_path: Path) -> None:
    with server(leaves_out=1) as (url, requests):
        found = asking(load(url, tmp_path, clients=1, batch=4)).result()
    assert found["failed"] == len(requests)
    assert found["failures"][0] == "3 of 4 tasks have a pre-label"


def test_a_server_that_is_gone_counts_as_failed(tmp_path: Path) -> None:
    with server() as (url, _):
        pass
    found = asking(load(url, tmp_path, clients=1, batch=1)).result()
    assert found["failed"] > 0
    assert found["milliseconds"] == []
