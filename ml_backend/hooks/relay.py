"""Tells hooks of what happened, beside the loop: nobody waits for them."""

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import HookError
from .deadline import Step, run_within

__all__ = ["Relay"]

log = logging.getLogger(__name__)

MOST_WAITING = 1000
EXIT_WAIT_S = 10.0


class Relay:
    """A queue and a thread that works it off, one call after the other, each within the time limit.

    What fails is logged. Where more than `MOST_WAITING` calls wait, new ones are dropped, and the log says so. At the
    end of the process the calls that wait get `EXIT_WAIT_S`.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiting: deque[Callable[[Step], Any]] = deque()
        self._change = threading.Condition()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def post(self, work: Callable[[Step], Any]) -> None:
        """Have a call made soon."""
        with self._change:
            if len(self._waiting) >= MOST_WAITING:
                log.error("%s calls of hooks wait already; one more is dropped", MOST_WAITING)
                return
            self._waiting.append(work)
            self._change.notify_all()
            # Begun late, since a process that forks, as a server does, takes no thread along.
            if self._thread is None or not self._thread.is_alive():
                if self._thread is None:
                    atexit.register(self._leave)
                self._thread = threading.Thread(target=self._work_off, name="labelloop-relay", daemon=True)
                self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        """Wait until nothing waits any more; False where the time did not suffice."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._is_busy, timeout_s)

    def _work_off(self) -> None:
        while True:
            with self._change:
                self._is_busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: bool(self._waiting))
                work, self._is_busy = self._waiting.popleft(), True
            try:
                run_within(self._limit_s, work)
            except HookError as error:
                log.error("%s; the loop goes on", error, exc_info=error.__cause__)

    def _leave(self) -> None:
        if not self.drain(EXIT_WAIT_S):
            log.error("the process ends while %s calls of hooks wait", len(self._waiting) + self._is_busy)
