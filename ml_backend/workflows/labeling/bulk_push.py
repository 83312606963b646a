"""Push predictions to Label Studio while the next ones are made."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from types import TracebackType

from ...domain.annotation import Prediction
from ...domain.progress import Progress, ProgressCallback

__all__ = ["BackgroundPush", "PushProgress"]

TICK_S = 0.5
"""Time between two reports during a push, which takes Label Studio a while; a cancelled job stops at a report."""

Pairs = Sequence[tuple[int, Prediction]]


class PushProgress:
    """Progress of a bulk push, reported with its rate and the time left.

    Making predictions is half of the work, and pushing them the other half.

    Args:
        expected: number of tasks without a prediction, as far as known beforehand.
        clock: measures the rate.

    Attributes:
        predicted: number of tasks that have a prediction by now; whoever makes predictions adds to it.
        pushed: number of tasks whose prediction is stored; whoever pushes adds to it.
    """

    def __init__(self, report: ProgressCallback, expected: int, clock: Callable[[], datetime]) -> None:
        self._report = report
        self._expected = expected
        self._clock = clock
        self._started = clock()
        self.predicted = 0
        self.pushed = 0

    def report(self) -> None:
        """Report the progress of this moment; an error of the callback is raised here."""
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
        self._report(Progress(fraction, "pushing", ", ".join(parts)))


class BackgroundPush:
    """Push one batch at a time on a second thread. A context manager, whose end waits for the last batch.

    Args:
        push: stores a batch, or raises.
        on_pushed: called with each batch that is stored, in the thread that uses this object.
    """

    def __init__(self, push: Callable[[Pairs], None], on_pushed: Callable[[Pairs], None]) -> None:
        self._push = push
        self._on_pushed = on_pushed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="push")
        self._batch: Pairs = ()
        self._running: Future[None] | None = None

    def __enter__(self) -> "BackgroundPush":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error elsewhere, a batch is either stored and counted, or not stored; its error would hide the first.
        self._thread.shutdown(wait=True)
        if self._running is not None and self._running.exception() is None:
            self._on_pushed(self._batch)

    def start(self, batch: Pairs, while_waiting: Callable[[], None]) -> None:
        """Begin to push a batch once the batch before it is stored.

        Raises:
            Exception: an error of `while_waiting`, or of the push before.
        """
        self.finish(while_waiting)
        self._batch, self._running = batch, self._thread.submit(self._push, batch)

    def finish(self, while_waiting: Callable[[], None]) -> None:
        """Wait until the batch that is being pushed is stored.

        Args:
            while_waiting: called twice a second meanwhile; an error of it ends the waiting.

        Raises:
            Exception: an error of `while_waiting`, or of the push.
        """
        if self._running is None:
            return
        while not wait([self._running], TICK_S).done:
            while_waiting()
        done, self._running = self._running, None
        done.result()
        self._on_pushed(self._batch)


def _span(seconds: float) -> str:
    """Return a length of time in words, such as `3 min`."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
