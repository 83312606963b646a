"""Servers that are measured: `labelloop serve` and the peer, each as a process of its own on loopback."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.support.clients import body_of
from benchmarks.support.machine import REPOSITORY
from benchmarks.support.served_home import PROJECT_ID, ServedHome, clean_environment
from ml_backend.labelstudio.local import free_port

__all__ = ["Server", "labelloop_server", "memory_mib", "peer_server"]

START_S = 120.0
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers `/health`.

    Attributes:
        health_s: from the start of its process to the first answer.
    """

    url: str
    label_config: str
    process: "subprocess.Popen[bytes]"
    log: Path
    began_s: float
    health_s: float

    def predict(self, texts: Sequence[str]) -> bytes:
        """The answer to one request about these texts."""
        body = body_of(list(texts), self.label_config, PROJECT_ID, 1)
        request = urllib.request.Request(f"{self.url}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_S) as answer:
            found: bytes = answer.read()
            return found

    @property
    def processes(self) -> list[psutil.Process]:
        """Its process and the ones that it started, jobs left out."""
        process = psutil.Process(self.process.pid)
        return [process, *(each for each in process.children(recursive=True) if "job" not in each.cmdline())]


@contextmanager
def labelloop_server(home: ServedHome, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`labelloop serve` with its worker, in this home."""
    port = free_port()
    chosen = clean_environment(home.settings(port=port)) | dict(environment or {})
    command = [sys.executable, "-m", "ml_backend", "serve"]
    with _running(command, chosen, port, folder / f"serve-{port}.log", home.label_config) as server:
        yield server


@contextmanager
def peer_server(home: ServedHome, folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The peer, with as many threads as labelloop has by default."""
    port = free_port()
    config = folder / "peer-config.xml"
    config.write_text(home.label_config, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.peer_server", "--port", str(port), "--label-config", str(config)]
    command += ["--threads", str(home.settings().backend.threads)]
    chosen = {**os.environ, **(environment or {})}
    with _running(command, chosen, port, folder / f"peer-{port}.log", home.label_config) as server:
        yield server


def memory_mib(processes: Sequence[psutil.Process]) -> dict[str, int]:
    """Memory of all of these: resident, and with what they share counted once (where the system tells)."""
    resident = sum(process.memory_info().rss for process in processes)
    shares = [_proportional(process.pid) for process in processes]
    found = {"rss": round(resident / 2**20)}
    return found | ({"pss": round(sum(filter(None, shares)) / 1024)} if all(shares) else {})


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], port: int, log: Path, label_config: str
) -> Iterator[Server]:
    with log.open("wb") as output:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        yield Server(url, label_config, process, log, began_s, time.perf_counter() - began_s)
    finally:
        _end(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"a server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


def _proportional(pid: int) -> int | None:
    """KiB of a process, shared pages divided among those that share them; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)
