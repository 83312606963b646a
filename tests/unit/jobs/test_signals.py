"""How signals end a process."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ml_backend.errors import Interrupted
from ml_backend.jobs.signals import interrupt, interrupted_by_signals, noted_signals

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
IN_ORDER = """
import signal, sys, time
from pathlib import Path
from ml_backend.jobs.signals import interrupted_by_signals
from ml_backend.atomic_files import atomic_text

with interrupted_by_signals():
    try:
        with atomic_text(Path(sys.argv[1]) / "out.json") as target:
            target.write("half")
            print("ready", flush=True)
            time.sleep(60)
    finally:
        {ending}
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_a_process_in_order_with_the_status_of_shells(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = started(IN_ORDER.format(ending="print('ended in order')"), tmp_path)

    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (128 + number, "ended in order\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGHUP)])
def test_a_second_signal_does_not_wait_for_the_ending(
    first: signal.Signals, second: signal.Signals, tmp_path: Path
) -> None:
    process = started(IN_ORDER.format(ending="print('ending', flush=True); time.sleep(60)"), tmp_path)
    process.send_signal(first)
    assert process.stdout is not None
    assert process.stdout.readline() == "ending\n"

    process.send_signal(second)
    process.communicate(timeout=30)

    assert process.returncode == -second


def started(script: str, folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_are_noted_and_raised_by_whoever_looks(number: signal.Signals) -> None:
    with noted_signals() as signals:
        assert signals == []
        signal.raise_signal(number)
        assert signals == [number]

    with interrupted_by_signals(), pytest.raises(Interrupted) as raised:
        signal.raise_signal(number)
    assert (raised.value.number, raised.value.code) == (number, 128 + number)


def test_handlers_are_as_before_after_the_block() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    with interrupted_by_signals():
        with noted_signals():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)

    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(
    "wait",
    [lambda: time.sleep(30), lambda: threading.Event().wait(), lambda: subprocess.run(["sleep", "30"], check=True)],
    ids=["a sleep", "a lock", "a child"],
)
def test_another_thread_interrupts_the_main_one_whatever_it_waits_for(wait: object) -> None:
    assert callable(wait)
    timer = threading.Timer(0.1, interrupt)
    began = time.monotonic()

    timer.start()
    with interrupted_by_signals(), pytest.raises(Interrupted):
        wait()

    assert time.monotonic() - began < 5


AT_ITS_END = """
import time
from ml_backend.jobs.signals import call_at_the_commands_end
call_at_the_commands_end(lambda: print("it ended", flush=True))
print("ready", flush=True)
time.sleep({seconds})
"""
COMMAND = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE).wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_hears_of_the_end_of_the_command_that_it_works_for(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, AT_ITS_END.format(seconds=5)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)

    assert process.stdout.readline() == "it ended\n"
    process.wait(30)
    process.stdout.close()


@pytest.mark.parametrize("stdin", ["devnull", "file", "closed"])
def test_without_such_a_command_nothing_is_heard(stdin: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    redirect = {"devnull": "</dev/null", "file": f"<{tmp_path / 'file'}", "closed": "<&-"}[stdin]

    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, AT_ITS_END.format(seconds=0.05)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("ready\n", "")
