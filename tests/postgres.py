"""A real PostgreSQL on loopback for the whole test run, where its programs are installed."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

__all__ = ["postgres_url"]

START_TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of an empty database, whose server runs in a time zone that is not UTC."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed (labelloop[postgres])")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    # The server refuses to run as root.
    account = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="labelloop-postgres-") as folder:
        if account:
            shutil.chown(folder, **account)
        data = f"{folder}/data"
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder}
        initialise = [programs / "initdb", "-D", data, "-U", "labelloop", "--auth=trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initialise, check=True, **quiet, **account)
        options = {"listen_addresses": "127.0.0.1", "port": port, "fsync": "off", "timezone": "Asia/Kolkata"}
        options["unix_socket_directories"] = folder
        switches = [f"-c{name}={value}" for name, value in options.items()]
        server = subprocess.Popen([programs / "postgres", "-D", data, *switches], **quiet, **account)
        try:
            url = f"postgresql+psycopg://labelloop@127.0.0.1:{port}/postgres"
            _wait_until_it_answers(url)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # the other signals wait for clients, or leave files behind
            server.wait(30)


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return packaged[-1].parent if packaged else None


def _wait_until_it_answers(url: str) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            engine.dispose()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
