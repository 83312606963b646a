"""Threads that run native code: a process must not end beside one."""

import atexit
import threading
from collections.abc import Callable

__all__ = ["NativeThread"]

_running: set["NativeThread"] = set()


class NativeThread(threading.Thread):
    """A daemon thread that the process waits for when it ends, after telling it to stop.

    While Python shuts down, it ends a thread that comes back from C++ where that stands, and the C++ library then
    aborts the process, with all its work done.

    Args:
        work: what the thread does.
        stop: makes the work return soon; called by other threads, and maybe more than once.
    """

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
            # Whoever has this thread is often what it worked for: the two must not keep each other in memory.
            self._stop_work = None

    def end(self) -> None:
        """Tell it to stop and wait until it has; where it is the thread that calls, it ends by itself."""
        stop = self._stop_work
        if stop is not None:
            stop()
        if self is not threading.current_thread():
            self.join()


@atexit.register
def _end_all() -> None:
    # One that ends may have started others.
    while _running:
        for thread in list(_running):
            thread.end()
            _running.discard(thread)  # also where it was lost in a fork
