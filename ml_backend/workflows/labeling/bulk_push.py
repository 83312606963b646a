"""Predictions on their way to Label Studio, while the next ones are made."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from types import TracebackType

from ...domain.annotation import Prediction

__all__ = ["Progress", "Pushing", "Report"]

TICK_S = 0.5
"""How often progress is told, and so a cancelled job stopped, during a push, which takes Label Studio a while."""

Pairs = Sequence[tuple[int, Prediction]]
Report = Callable[[float, str], None]


class Progress:
    """How far a bulk push is, as a fraction and a sentence with rate and time left.

    Making predictions is half the way, and pushing them the other half.

    Args:
        report: told by every `tell`.
        expected: tasks that there are to do, as far as known beforehand.
        clock: what the rate is measured by.

    Attributes:
        predicted: tasks that have a prediction by now; counted by who makes them, like `pushed`.
    """

    def __init__(self, report: Report, expected: int, clock: Callable[[], datetime]) -> None:
        self._report = report
        self._expected = expected
        self._clock = clock
        self._started = clock()
        self.predicted = 0
        self.pushed = 0

    def tell(self) -> None:
        """Report how far it is now; raises what `report` raises."""
        total = max(self._expected, self.predicted)
        fraction = (self.predicted + self.pushed) / (2 * total) if total else 0.0
        done = self.pushed or self.predicted
        parts = [f"{'pushed' if self.pushed else 'predicted'} {done} of {total} pre-labels"]
        elapsed_s = (self._clock() - self._started).total_seconds()
        if elapsed_s > 0:
            rate = done / elapsed_s
            parts.append(f"{rate:.0f} tasks/s" if rate >= 10 else f"{rate:.1f} tasks/s")
            if 0 < fraction < 1:
                parts.append(f"about {_span(elapsed_s * (1 - fraction) / fraction)} left")
        self._report(fraction, ", ".join(parts))


class Pushing:
    """Pushes one batch at a time on a thread of its own. Used as a context manager, whose end waits for the last one.

    Args:
        push: stores a batch, or raises.
        on_pushed: told of each batch that is stored, in the thread that uses this object.
    """

    def __init__(self, push: Callable[[Pairs], None], on_pushed: Callable[[Pairs], None]) -> None:
        self._push = push
        self._on_pushed = on_pushed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="push")
        self._batch: Pairs = ()
        self._under_way: Future[None] | None = None

    def __enter__(self) -> "Pushing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error elsewhere, a batch is still stored and told of, or not stored; its own error came second.
        self._thread.shutdown(wait=True)
        if self._under_way is not None and self._under_way.exception() is None:
            self._on_pushed(self._batch)

    def start(self, batch: Pairs, while_waiting: Callable[[], None]) -> None:
        """Push a batch as soon as the one before is stored; returns once it is on its way.

        Raises:
            Exception: what pushing the one before raised, or `while_waiting`.
        """
        self.finish(while_waiting)
        self._batch, self._under_way = batch, self._thread.submit(self._push, batch)

    def finish(self, while_waiting: Callable[[], None]) -> None:
        """Wait until what is on its way is stored.

        Args:
            while_waiting: called again and again meanwhile; what it raises ends the waiting.

        Raises:
            Exception: what the push raised, or `while_waiting`.
        """
        if self._under_way is None:
            return
        while not wait([self._under_way], TICK_S).done:
            while_waiting()
        done, self._under_way = self._under_way, None
        done.result()
        self._on_pushed(self._batch)


def _span(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
