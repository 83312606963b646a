"""What every runtime provides."""

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from typing import Protocol

from ....arrays import Floats2d

__all__ = ["Runtime", "cores", "give_way"]

NICENESS = 5
"""Added to that of a thread that gives way; Linux then gives it a third of what another thread has."""


class Runtime(Protocol):
    """The layers of one model, ready to be computed. Not safe to use from several threads at the same time.

    Attributes:
        name: as in the setting that chooses one.
        tokens_per_batch: so many are computed at once in the best of times; more than that only takes longer.
        memory_bytes: about what it holds in memory.
    """

    name: str
    tokens_per_batch: int
    memory_bytes: int

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        """The last layer's vectors of each token sequence, shape (T, D), in the order given."""

    def close(self) -> None:
        """Give back what it holds; nothing is computed afterwards."""


def cores() -> int:
    """CPU cores that this process may use."""
    # Not every system has processes bound to cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def give_way() -> None:
    """The thread that calls this gets what the others leave of the cores, from now on; elsewhere than on Linux nothing.

    So do the threads that it starts.
    """
    # Other systems know the priority of processes alone.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
