"""Ctrl-C, SIGTERM and a closed terminal: one of them ends the demo, further ones do not cut the ending short."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Interrupted
from ..jobs.signals import handled_signals

__all__ = ["one_interrupt"]


@contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """Raise Interrupted at the first signal of the block, and none after it.

    Yields a function; once it was called, no signal raises any more.
    """
    is_ending = False

    def end_in_peace() -> None:
        nonlocal is_ending
        is_ending = True

    def interrupt(number: int) -> None:
        if not is_ending:
            end_in_peace()
            raise Interrupted(number)

    with handled_signals(interrupt):
        yield end_in_peace
