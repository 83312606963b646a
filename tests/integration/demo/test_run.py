"""The demo as a command: what ends it early ends all of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_backend.errors import ConfigurationError
from ml_backend.labelstudio.local import LocalStudio, free_port
from tests.backend_process import command

START_S, END_S = 60.0, 40.0


@pytest.fixture(autouse=True)
def label_studio() -> None:
    try:
        LocalStudio.find_executable()
    except ConfigurationError as error:
        pytest.skip(str(error))


@contextmanager
def _demo(home: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "ml_backend", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABELLOOP_HOME": str(home)},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def _wait_for_processes(home: Path, wanted: int) -> list[str]:
    """The command lines that name the demo's folder or port, as soon as there are so many."""
    deadline = time.monotonic() + START_S
    while True:
        found = _processes(str(home))
        if len(found) == wanted:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def _processes(word: str) -> list[str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if word in line]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_a_signal_while_label_studio_starts_ends_both_servers(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with _demo(tmp_path / "home", "--port", str(port)) as process:
        # Its data folder is in Label Studio's command line.
        _wait_for_processes(tmp_path, wanted=1)
        assert _listens(port)

        process.send_signal(number)
        _, err = process.communicate(timeout=END_S)

    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert _processes(str(tmp_path)) == []
    assert not _listens(port)


def test_a_port_that_is_taken_is_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command(tmp_path / "home", "demo", "--port", str(port))

    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert _processes(str(tmp_path)) == []


def test_a_folder_that_is_not_the_demos_is_told(tmp_path: Path) -> None:
    (tmp_path / "home" / "demo").mkdir(parents=True)
    (tmp_path / "home" / "demo" / "thesis.txt").touch()
    done = command(tmp_path / "home", "demo")

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'home' / 'demo'} exists and was not made by a demo")
