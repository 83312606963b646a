"""How far a training is, and how long it will take."""

import time
from collections.abc import Callable, Mapping

from ...domain.progress import Progress, ProgressCallback

__all__ = ["ProgressMeter"]

LEAST_S = 2.0


class ProgressMeter:
    """Turns rows worked on into fractions and the time left.

    Args:
        work: rows to be worked on, each counted as often as a pass over it costs a forward and backward pass.
        start: fraction at which the work begins, and `end` where it ends.
        clock: seconds from any origin.
    """

    def __init__(
        self,
        report: ProgressCallback,
        work: float,
        *,
        start: float,
        end: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._work = max(work, 1.0)
        self._start, self._end = start, end
        self._done = self._known = 0.0
        self._clock = clock
        self._began_s = clock()

    def expect(self, work: float) -> None:
        """Count on other work in all than was thought before."""
        self._work = max(work, self._done, 1.0)

    def skip(self, rows: float) -> None:
        """Count rows as done that an earlier attempt has worked on: they say nothing about how fast this one is."""
        self._known += rows
        self._done = min(self._done + rows, self._work)

    def advance(self, rows: float, stage: str, message: str, metrics: Mapping[str, float] | None = None) -> None:
        """Count rows as done and report."""
        self._done = min(self._done + rows, self._work)
        share = self._done / self._work
        spent_s, worked = self._clock() - self._began_s, self._done - self._known
        left = ""
        if spent_s > LEAST_S and worked > 0:
            left = f", about {_duration(spent_s / worked * (self._work - self._done))} left"
        fraction = self._start + share * (self._end - self._start)
        self._report(Progress(fraction, stage, message + left, metrics or {}))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
