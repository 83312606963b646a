"""How far a training is, and how long it will take."""

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from ...domain.progress import Progress, ProgressCallback

__all__ = ["ProgressMeter"]


LEAST_S = 2.0


class ProgressMeter:
    """Turns rows worked on into fractions and the time left.

    Args:
        work: rows to be worked on, each counted as often as a pass over it costs a forward and backward pass.
        start: fraction at which the work begins; `end` is the one where it ends.
        clock: seconds from any origin.
    """

    FORWARD_SHARE: ClassVar[float] = 1 / 3
    """Work of computing features or scores of rows, as a share of a training pass over them."""

    def __init__(
        self,
        report: ProgressCallback,
        work: float,
        *,
        start: float = 0.0,
        end: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._work = max(work, 1.0)
        self._start, self._end = start, end
        self._done = self._known = 0.0
        self._clock = clock
        self._began_s = clock()

    def expect(self, work: float) -> None:
        """Change how much work there is in all."""
        self._work = max(work, self._done, 1.0)

    def skip(self, rows: float) -> None:
        """Count rows as done that an earlier attempt worked on: they tell nothing about how fast this one is."""
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

    def counter(self, stage: str, message: str, *, work: float = FORWARD_SHARE) -> Callable[[int], None]:
        """A callback for work that reports how many rows are done by now.

        Args:
            message: with `{rows}` in place of that number.
            work: of a row.
        """
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            self.advance((rows - done) * work, stage, message.format(rows=rows))
            done = rows

        return count


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
