"""Call hooks in a thread beside the loop: within a time limit per step, or later where nobody waits for them."""

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import HookError

__all__ = ["Relay", "Step", "run_within"]

log = logging.getLogger(__name__)

MOST_WAITING = 1000
EXIT_WAIT_S = 10.0

Result = TypeVar("Result")
Step = Callable[[str, str], None]
"""Called before each step with the name of the hook and what it is called with; starts the step's time."""


def run_within(limit_s: float, work: Callable[[Step], Result]) -> Result:
    """Do the work in a new thread, with no step longer than the limit, and return its result.

    Python cannot end a thread. One that is over its time is left behind, as a daemon that dies with the process; it
    begins no further step, and its result is thrown away. Code that lets no other thread run, such as
    a runaway regular expression, holds up the limit as well; in a job, missing heartbeats then end the process.

    Raises:
        HookError: a step raised or took too long.
    """
    worker = _Worker(work)
    threading.Thread(target=worker.run, name="labelloop-hook", daemon=True).start()
    while not worker.is_done.wait(max(worker.step_ends_s(limit_s) - time.monotonic(), 0)):
        if time.monotonic() >= worker.step_ends_s(limit_s):
            worker.is_abandoned = True
            raise HookError(
                f"the hook {worker.hook} did not finish with {worker.subject} within {limit_s:g} s; repair it, or "
                "raise LABELLOOP_HOOK_TIMEOUT_S",
                hook=worker.hook,
            )
    return worker.outcome()


class _Worker(Generic[Result]):
    """Does the work and remembers how far it is."""

    def __init__(self, work: Callable[[Step], Result]) -> None:
        self.is_done = threading.Event()
        self.is_abandoned = False
        self.hook = self.subject = ""
        self._work = work
        self._step_began_s = time.monotonic()
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work(self._step))
        except BaseException as error:
            self._error = error
        self.is_done.set()

    def _step(self, hook: str, subject: str) -> None:
        if self.is_abandoned:
            raise SystemExit
        self.hook, self.subject, self._step_began_s = hook, subject, time.monotonic()

    def step_ends_s(self, limit_s: float) -> float:
        return self._step_began_s + limit_s

    def outcome(self) -> Result:
        if self._error is not None:
            raise HookError(
                f"the hook {self.hook} failed with {self.subject}: {type(self._error).__name__}: {self._error}",
                hook=self.hook,
            ) from self._error
        return self._results[0]


class Relay:
    """A queue and a thread that works it off, one call after the other, each within the time limit.

    Failures are logged. Where more than `MOST_WAITING` calls wait, new ones are dropped, and the log says so. At the
    end of the process, the calls that wait get `EXIT_WAIT_S`.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiting: deque[Callable[[Step], Any]] = deque()
        self._change = threading.Condition()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def post(self, work: Callable[[Step], Any]) -> None:
        """Queue a call."""
        with self._change:
            if len(self._waiting) >= MOST_WAITING:
                log.error("%s calls of hooks wait already; one more is dropped", MOST_WAITING)
                return
            self._waiting.append(work)
            self._change.notify_all()
            # Started late, since a process that forks, as a server does, takes no thread along.
            if self._thread is None or not self._thread.is_alive():
                if self._thread is None:
                    atexit.register(self._leave)
                self._thread = threading.Thread(target=self._work_off, name="labelloop-relay", daemon=True)
                self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        """Wait until no call is left; False where the time did not suffice."""
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
