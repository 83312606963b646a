"""Events that end a process from outside: Ctrl-C, SIGTERM, a closed terminal, the end of the command it works for."""

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import Interrupted

__all__ = ["call_at_the_commands_end", "interrupt", "interrupted_by_signals", "noted_signals", "one_interrupt"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _handled_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Call `handle` in the main thread at every signal that asks the process to end while the block runs.

    SIGHUP stays ignored where nohup has set that. An ignored SIGINT is handled all the same: it only means that a shell
    script started the process in the background, and whoever sends the signal wants the process to end.
    """

    def call(number: int, _frame: FrameType | None) -> None:
        handle(number)

    before = {number: signal.signal(number, call) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise Interrupted at the first signal of the block; a second one ends the process at once."""

    def raise_once(number: int) -> None:
        _end_at_the_next()
        raise Interrupted(number)

    with _handled_signals(raise_once):
        yield


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Yield a list to which the block's first signal is added; a second signal ends the process at once."""
    noted: list[int] = []

    def note(number: int) -> None:
        _end_at_the_next()
        noted.append(number)

    with _handled_signals(note):
        yield noted


@contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """Raise Interrupted at the first signal of the block, and none after it.

    Yields a function; once it was called, no signal raises any more.
    """
    is_ending = False

    def end_in_peace() -> None:
        nonlocal is_ending
        is_ending = True

    def raise_first(number: int) -> None:
        if not is_ending:
            end_in_peace()
            raise Interrupted(number)

    with _handled_signals(raise_first):
        yield end_in_peace


def interrupt() -> None:
    """Interrupt the main thread of this process as SIGTERM does, whatever the thread is waiting for."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)


def call_at_the_commands_end(act: Callable[[], object]) -> None:
    """Call `act` on a new thread once the command that this process works for has ended, even by SIGKILL.

    Such a command holds the other end of a pipe that is this process's standard input. Where standard input is no pipe,
    there is no such command, and nothing happens.
    """

    def wait_and_act() -> None:
        while os.read(0, 1):
            pass
        act()

    # None where the process was started without one; another file may have its number by now.
    if sys.stdin is not None and stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=wait_and_act, name="command", daemon=True).start()


def _heeded() -> list[signal.Signals]:
    is_hang_up_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SIGNALS if number is not signal.SIGHUP or not is_hang_up_ignored]


def _end_at_the_next() -> None:
    for number in _heeded():
        signal.signal(number, signal.SIG_DFL)
