"""Work with a time limit per step, at the cost of one thread for many steps."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import HookError

__all__ = ["Step", "run_within"]

Result = TypeVar("Result")
Step = Callable[[str, str], None]
"""Called before each step with the name of the hook and what it is called with; starts the step's time."""


def run_within(limit_s: float, work: Callable[[Step], Result]) -> Result:
    """What the work returns, done in a thread of its own, none of its steps longer than the limit.

    Python cannot end a thread. One that is over its time is left behind, as a daemon that dies with the process; it
    begins no further step, and what it would still return is thrown away. Code that lets no other thread run, such as
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
