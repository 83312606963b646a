"""MLflow while its database is locked or too old, and while its server is away, overloaded or refuses."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ml_backend.errors import TrackingError
from ml_backend.tracking.mlflow import MlflowTracker


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has made."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with tracker(file).run("tickets-1", "tickets-1-v1"):
        pass
    return file


def tracker(file: Path) -> MlflowTracker:
    return MlflowTracker(f"sqlite:///{file}?timeout=0.05", file.parent / "artifacts")


@contextmanager
def server(status: int) -> Iterator[str]:
    """The URL of a server that answers everything with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"no")

        do_POST = do_GET  # noqa: N815 (the library calls it so)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def failure(made: MlflowTracker) -> TrackingError:
    with pytest.raises(TrackingError) as raised, made.run("tickets-1", "tickets-1-v2"):
        pass
    return raised.value


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_database_that_another_process_locks_is_a_passing_fault(store: Path) -> None:
    made = tracker(store)
    with made.run("tickets-1", "tickets-1-v2"):
        pass
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = failure(made)
        other.rollback()

    assert ("locked" in str(error), error.is_passing) == (True, True)
    with made.run("tickets-1", "tickets-1-v2"):
        pass


@pytest.mark.parametrize(
    ("status", "is_passing"), [(429, True), (500, True), (502, True), (503, True), (401, False), (404, False)]
)
def test_a_server_that_is_overloaded_is_told_from_one_that_refuses(
    tmp_path: Path, status: int, is_passing: bool
) -> None:
    with server(status) as url:
        assert failure(MlflowTracker(url, tmp_path)).is_passing is is_passing


def test_a_server_that_is_away_is_a_passing_fault(tmp_path: Path) -> None:
    assert failure(MlflowTracker("http://127.0.0.1:1", tmp_path)).is_passing


def test_a_database_of_another_version_is_no_passing_fault(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(store.read_bytes())
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'unheard_of'")
        connection.commit()

    assert not failure(tracker(file)).is_passing
