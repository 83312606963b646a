"""Threads that run native code, which must end before the process does."""

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import ClassVar

__all__ = ["NativeThread"]


_running: set["NativeThread"] = set()


class NativeThread(threading.Thread):
    """A daemon thread that the process stops and waits for when it exits.

    While Python shuts down, it ends any thread that returns from C++ to Python, and the C++ library then aborts the
    process, although all its work is done.

    Args:
        work: what the thread does.
        stop: makes the work return soon; other threads call it, perhaps more than once.
    """

    NICENESS: ClassVar[int] = 5
    """Added to the niceness of a thread that gives way; Linux then gives it a third of what another thread has."""

    def __init__(self, work: Callable[[], None], *, name: str, stop: Callable[[], object]) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self._stop_work: Callable[[], object] | None = stop

    def start(self) -> None:
        _running.add(self)
        try:
            super().start()
        except RuntimeError:
            _running.discard(self)
            raise

    def run(self) -> None:
        try:
            super().run()
        finally:
            _running.discard(self)
            # The owner of this thread is often what it worked for: the two must not keep each other in memory.
            self._stop_work = None

    def end(self) -> None:
        """Tell the thread to stop and wait until it has; a call from the thread itself does not wait."""
        stop = self._stop_work
        if stop is not None:
            stop()
        if self is not threading.current_thread():
            self.join()

    @staticmethod
    def give_way() -> None:
        """Give the calling thread, and threads that it starts, only what others leave of the cores; on Linux alone."""
        # Other systems know the priority of processes alone.
        if sys.platform == "linux":
            thread = threading.get_native_id()
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NativeThread.NICENESS)


@atexit.register
def _end_all() -> None:
    # A thread that ends may have started others.
    while _running:
        for thread in list(_running):
            thread.end()
            _running.discard(thread)  # also where it was lost in a fork
