"""A real MLflow server on loopback, shared by the tests that ask for it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.one_per_run import one_per_run

START_TIMEOUT_S = 90.0


@dataclass(frozen=True)
class MlflowServer:
    """A server's URL, and the folder where it keeps the files of runs."""

    url: str
    files: Path


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that is started once per test run; it takes about 8 s."""

    @contextmanager
    def start() -> Iterator[dict[str, str]]:
        with _started(tmp_path_factory.mktemp("mlflow-server")) as server:
            yield {"url": server.url, "files": str(server.files)}

    with one_per_run(tmp_path_factory, "mlflow", start) as facts:
        yield MlflowServer(facts["url"], Path(facts["files"]))


@contextmanager
def _started(folder: Path) -> Iterator[MlflowServer]:
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "files")]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", server, folder / "server.log")
        yield MlflowServer(f"http://127.0.0.1:{port}", folder / "files")
    finally:
        server.terminate()
        server.wait(30)


def _wait_until_healthy(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
