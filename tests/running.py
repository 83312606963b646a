"""Servers that run beside a test, as processes or as threads, and waiting for what they do."""

import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from werkzeug.serving import make_server

__all__ = ["at_once", "running_process", "serving", "until"]

START_S = 90.0
PATIENCE_S = 180.0
"""Much longer than anything takes: that a machine is busy is no fault."""
Answer = TypeVar("Answer")


def until(look: Callable[[], Answer | None], what: str = "it", *, timeout_s: float = PATIENCE_S) -> Answer:
    """The first answer that is true; that it does not come in time is a failure."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:g} s"
        time.sleep(0.02)
    return found


def at_once(count: int, call: Callable[[int], Answer]) -> list[Answer]:
    """Return the answers to a call that many threads start at the same moment."""
    answers: list[Answer] = []
    gate = threading.Barrier(count)

    def work(number: int) -> None:
        gate.wait()
        answers.append(call(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


@contextmanager
def running_process(
    command: Sequence[str | Path], log: Path, *, url: str | None = None, **options: Any
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is ended with the block, its output in a log; where a URL is given, it answers there by now."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        deadline = time.monotonic() + START_S
        while url and not _answers(url):
            is_late = process.poll() is not None or time.monotonic() > deadline
            assert not is_late, f"{command} did not start:\n{log.read_text(errors='replace')}"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def serving(app: Flask, port: int = 0) -> Iterator[str]:
    """The URL at which threads of this process serve the application; 0: at a free port."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
