"""The command: within this process for what it says and writes, in a process where it serves, works or is killed."""

import atexit
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO
from unittest import mock

from ml_backend.bootstrap import build_services
from ml_backend.cli import main
from ml_backend.config import load_settings
from ml_backend.domain.job import JobState
from ml_backend.jobs.launcher import log_path
from ml_backend.labelstudio.local import free_port
from ml_backend.log_lines import LineFormatter
from ml_backend.workflows.jobs.run_job import run_job
from tests.inline_launcher import InlineLauncher
from tests.running import running_process

__all__ = [
    "Backend",
    "WorkerProcess",
    "command",
    "command_error",
    "command_process",
    "command_result",
    "get",
    "post",
    "running_backend",
    "running_worker",
]

LABELLOOP = (sys.executable, "-m", "ml_backend")


@dataclass(frozen=True)
class Backend:
    """A running `labelloop serve`."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def get(self, path: str) -> Any:
        """The JSON that a path answers with."""
        return get(self.url + path)

    def kill(self) -> None:
        """What a machine that fails does: every process of the server ends at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_backend(
    home: Path, *arguments: str, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Backend]:
    """A backend on loopback that answers `/health`; it is ended with the block."""
    port, log = port or free_port(), home / "serve.log"
    url = f"http://localhost:{port}"
    serve = [*LABELLOOP, "serve", "--port", str(port), *arguments]
    with running_process(serve, log, url=f"{url}/health", env=_environment(home, environment)) as process:
        yield Backend(process, url, log)


@dataclass(frozen=True)
class WorkerProcess:
    """A running `labelloop worker`."""

    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it at once; the children that it has started live in sessions of their own, and go on."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_worker(home: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[WorkerProcess]:
    """A worker that has just been started; it is ended with the block."""
    worker = [*LABELLOOP, "worker"]
    with running_process(worker, home / "worker.log", env=_environment(home, environment)) as process:
        yield WorkerProcess(process)


def _environment(home: Path, more: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "LABELLOOP_HOME": str(home), **(more or {})}


def command(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A finished `labelloop` command, which ran within this process, as did its jobs."""
    out, err, status = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO(), 0
    with (
        mock.patch.dict(os.environ, _environment(home, environment)),
        redirect_stdout(out),
        redirect_stderr(err),
        _logging_to(err),
    ):
        try:
            main(arguments, launcher=InlineLauncher(_run_job))
        except SystemExit as end:
            status = int(end.code or 0)
    out.flush()
    return subprocess.CompletedProcess(arguments, status, out.buffer.getvalue().decode(), err.getvalue())


def _run_job(job_id: int) -> int:
    """Do what a job's process does, with its output in the job's log file."""
    home = Path(os.environ["LABELLOOP_HOME"]).resolve()
    if "LABELLOOP_MLFLOW_URL" not in os.environ and not (home / "mlflow.db").exists():
        shutil.copyfile(_empty_mlflow_store(), home / "mlflow.db")
    path, level = log_path(home, job_id), os.environ.get("LABELLOOP_LOG_LEVEL", "INFO")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("a") as log,
        redirect_stdout(log),
        redirect_stderr(log),
        _logging_to(log, level),
        closing(build_services(load_settings())) as services,
    ):
        return 0 if run_job(services, job_id) is JobState.SUCCEEDED else 1


@cache
def _empty_mlflow_store() -> Path:
    """A file to copy: MLflow takes seconds to make one."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = TemporaryDirectory(prefix="labelloop-tests-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", folder.name).engine.dispose()
    return path


@contextmanager
def _logging_to(stream: TextIO, level: str | int = logging.WARNING) -> Iterator[None]:
    """Log as a process does that has just been started, which warnings do not end."""
    root, ours = logging.getLogger(), logging.getLogger("ml_backend")
    handler, before = logging.StreamHandler(stream), (root.handlers, ours.level)
    handler.setFormatter(LineFormatter(LineFormatter.FORMAT))
    root.handlers = [handler]
    ours.setLevel(level)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers = before[0]
        ours.setLevel(before[1])


def command_process(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The same in a process, as are its jobs: for what only a process shows."""
    return subprocess.run(
        [*LABELLOOP, *arguments],
        capture_output=True,
        text=True,
        env=_environment(home, environment),
        timeout=300,
        check=False,
    )


def command_result(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """The JSON that a command prints, which must succeed."""
    done = command(home, *arguments, "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def command_error(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the error message of a command that must fail."""
    done = command(home, *arguments, environment=environment)
    assert done.returncode == 1, done.stderr
    return done.stderr


def get(url: str) -> Any:
    """The JSON that a GET answers with."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def post(url: str, body: Mapping[str, Any]) -> Any:
    """The JSON that a POST answers with, in the time that Label Studio waits for it.

    Raises:
        urllib.error.HTTPError: it was refused.
    """
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=100) as answer:
        return json.load(answer)
