"""A real MLflow server on loopback, shared by the tests that ask for it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_backend.labelstudio.local import free_port
from tests.one_per_run import one_per_run
from tests.running import running_process


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
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "files")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url, log = f"http://127.0.0.1:{port}", folder / "server.log"
    with running_process(command, log, url=f"{url}/health", env=os.environ | quiet, cwd=folder):
        yield MlflowServer(url, folder / "files")
