"""Ctrl-C, SIGTERM and a closed terminal: one of them ends the demo, further ones do not cut the ending short."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["one_interrupt"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """Raise KeyboardInterrupt at the first signal of the block, and none after it.

    Yields a function after whose call no signal raises any more.
    """
    is_ending = False

    def end_in_peace() -> None:
        nonlocal is_ending
        is_ending = True

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not is_ending:
            end_in_peace()
            raise KeyboardInterrupt

    # A hang-up that nohup told us to ignore stays ignored. The same of SIGINT only means that a shell script started
    # us in the background, and there, too, somebody who sends it means it.
    is_hang_up_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    caught = [number for number in SIGNALS if number is not signal.SIGHUP or not is_hang_up_ignored]
    before = {number: signal.signal(number, interrupt) for number in caught}
    try:
        yield end_in_peace
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
