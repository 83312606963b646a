"""Real PostgreSQL servers on loopback, where its programs are installed: one for the test run, or one for a test."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from ml_backend.labelstudio.local import free_port
from tests.one_per_run import one_per_run
from tests.running import until

__all__ = ["StoppablePostgres", "new_database", "postgres_url", "stoppable_postgres"]

START_TIMEOUT_S = 60.0
_numbers = count(1)


class StoppablePostgres:
    """A PostgreSQL server for one test, which can be stopped and started again.

    Attributes:
        url: SQLAlchemy URL of its empty database.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.url = ""
        self._folder, self._programs, self._port = folder, programs, free_port()
        # The server refuses to run as root.
        self._account: Any = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        self._quiet: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        self._server: subprocess.Popen[bytes] | None = None
        if self._account:
            shutil.chown(folder, **self._account)
        switches = ["-U", "labelloop", "--auth=trust", "-E", "UTF8", "--no-sync"]
        command = [programs / "initdb", "-D", folder / "data", *switches]
        subprocess.run(command, check=True, cwd=folder, **self._quiet, **self._account)

    def start(self) -> None:
        """Start it, in a time zone that is not UTC, and wait until it answers."""
        options = {"listen_addresses": "127.0.0.1", "port": self._port, "fsync": "off", "timezone": "Asia/Kolkata"}
        options["unix_socket_directories"] = str(self._folder)
        switches = [f"-c{name}={value}" for name, value in options.items()]
        command = [self._programs / "postgres", "-D", self._folder / "data", *switches]
        self._server = subprocess.Popen(command, cwd=self._folder, **self._quiet, **self._account)
        self.url = f"postgresql+psycopg://labelloop@127.0.0.1:{self._port}/postgres"
        _wait_until_it_answers(self.url)

    def stop(self) -> None:
        """Stop it, if it runs; its data stay."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # the other signals wait for clients, or leave files behind
            self._server.wait(30)
            self._server = None


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLAlchemy URL of an empty database for this process; its server runs in a time zone that is not UTC."""

    @contextmanager
    def start() -> Iterator[dict[str, str]]:
        with _postgres() as server:
            yield {"url": server.url}

    with one_per_run(tmp_path_factory, "postgresql", start) as server:
        yield new_database(server["url"], "process")


def new_database(url: str, name: str) -> str:
    """SQLAlchemy URL of a new, empty database on the server of another one."""
    name = f"{name}_{os.getpid()}_{next(_numbers)}"
    with create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def stoppable_postgres() -> Iterator[StoppablePostgres]:
    """A server of the test's own, which it may stop and start."""
    with _postgres() as server:
        yield server


@contextmanager
def _postgres() -> Iterator[StoppablePostgres]:
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed (labelloop[postgres])")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    with tempfile.TemporaryDirectory(prefix="labelloop-postgres-") as folder:
        server = StoppablePostgres(Path(folder), programs)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return packaged[-1].parent if packaged else None


def _wait_until_it_answers(url: str) -> None:
    engine = create_engine(url)

    def answers() -> bool:
        try:
            engine.connect().close()
        except OperationalError:
            return False
        return True

    until(answers, "the start of PostgreSQL", timeout_s=START_TIMEOUT_S)
    engine.dispose()
