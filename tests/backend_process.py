"""The real command in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_backend.labelstudio.local import free_port

__all__ = ["Backend", "WorkerProcess", "command", "command_result", "post", "running_backend", "running_worker"]

START_S = 30.0


class Backend:
    """A running `labelloop serve`."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    def get(self, path: str) -> Any:
        """The JSON that a path answers with."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def kill(self) -> None:
        """What a machine that fails does: every process of the server ends at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_backend(
    home: Path, *arguments: str, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Backend]:
    """A backend on loopback that answers `/health`; it is ended with the block."""
    port = port or free_port()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "serve.log"
    settings = {**os.environ, "LABELLOOP_HOME": str(home), **(environment or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml_backend", "serve", "--port", str(port), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=settings,
            start_new_session=True,
        )
    backend = Backend(process, f"http://localhost:{port}", log)
    try:
        _wait_until_healthy(backend)
        yield backend
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                backend.kill()


class WorkerProcess:
    """A running `labelloop worker`."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def kill(self) -> None:
        """End it at once; the children that it has started live in sessions of their own, and go on."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_worker(home: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[WorkerProcess]:
    """A worker that has just been started; it is ended with the block."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "worker.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml_backend", "worker"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LABELLOOP_HOME": str(home), **(environment or {})},
        )
    worker = WorkerProcess(process)
    try:
        yield worker
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()


def command(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A finished `labelloop` command."""
    return subprocess.run(
        [sys.executable, "-m", "ml_backend", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LABELLOOP_HOME": str(home), **(environment or {})},
        timeout=300,
        check=False,
    )


def command_result(home: Path, *arguments: str) -> Any:
    """The JSON that a command prints, which must succeed."""
    done = command(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def post(url: str, body: Mapping[str, Any]) -> Any:
    """The JSON that a POST answers with, in the time that Label Studio waits for it.

    Raises:
        urllib.error.HTTPError: it was refused.
    """
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=100) as answer:
        return json.load(answer)


def _wait_until_healthy(backend: Backend) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            backend.get("/health")
            return
        except (urllib.error.URLError, ConnectionError):
            if backend.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the backend did not start:\n{backend.log.read_text()}") from None
            time.sleep(0.1)
