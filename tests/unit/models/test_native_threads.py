"""Threads that a process waits for."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from ml_backend.models.base.native_threads import NativeThread

ENDS = {
    "by itself": ("pass", 0),
    "by an exception": ("raise ValueError('no')", 1),
    "by sys.exit": ("sys.exit(5)", 5),
    "after a sys.exit in a thread": ("threading.Thread(target=sys.exit).start()", 0),
    "by SIGTERM": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
        143,
    ),
}
WORK_AND_END = """
import os, signal, sys, threading, time
from ml_backend.models.base.native_threads import NativeThread

def opened():
    "A thread that takes a while to stop, and starts another one meanwhile."
    stop = threading.Event()
    def work():
        stop.wait()
        time.sleep(0.05)
        late = threading.Event()
        NativeThread(lambda: (late.wait(), os.write(1, b"late ")), name="late", stop=late.set).start()
        os.write(1, b"stopped ")
    NativeThread(work, name="work", stop=stop.set).start()

opened()
opened()
"""


@pytest.mark.parametrize("end", ENDS)
def test_a_process_waits_for_its_threads_however_it_ends(end: str) -> None:
    statement, status = ENDS[end]

    done = subprocess.run([sys.executable, "-c", WORK_AND_END + statement], capture_output=True, text=True, check=False)

    assert done.returncode == status
    assert sorted(done.stdout.split()) == ["late", "late", "stopped", "stopped"]


def test_a_process_that_forked_waits_for_no_thread_of_its_parent() -> None:
    fork = "\nif pid := os.fork():\n    print(os.waitpid(pid, 0)[1], flush=True)"

    done = subprocess.run(
        [sys.executable, "-c", WORK_AND_END + fork], capture_output=True, text=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout.split()[0]) == (0, "0")


def test_a_thread_that_has_ended_keeps_nothing_in_memory() -> None:
    class Model:
        def __init__(self) -> None:
            self.stop = threading.Event()
            self.thread = NativeThread(self.work, name="work", stop=self.close)
            self.thread.start()

        def work(self) -> None:
            self.stop.wait()

        def close(self) -> None:
            self.stop.set()

    model = Model()
    thread = model.thread
    thread.end()
    thread.end()
    kept = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert kept() is None
    finally:
        gc.enable()


def test_a_thread_may_end_itself() -> None:
    ended = []
    thread = NativeThread(lambda: (thread.end(), ended.append(True))[0], name="work", stop=lambda: None)

    thread.start()
    thread.join(10)

    assert ended == [True]


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know the priority of processes alone")
def test_a_thread_gives_way_and_the_others_do_not() -> None:
    before, found = priority(), []

    def work() -> None:
        NativeThread.give_way()
        found.append(priority())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert found == [min(19, before + NativeThread.NICENESS)]
    assert priority() == before
