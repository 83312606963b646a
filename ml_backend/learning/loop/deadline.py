"""When a training has to be over, and where in its course it stands."""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Deadline", "Schedule"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of a clock.

    Attributes:
        end_s: the moment, in seconds of the clock.
    """

    end_s: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """So many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 once it is past."""
        return max(0.0, self.end_s - self.clock())

    def earlier(self, seconds: float) -> "Deadline":
        """So many seconds before it."""
        return Deadline(self.end_s - seconds, self.clock)

    def part(self, share: float) -> "Deadline":
        """The moment at which this share of what is left will be used up."""
        return Deadline.after(share * self.left_s, self.clock)


class Schedule:
    """Where a training stands, in steps: as many as were made, or as many as its time says where that is more.

    So a schedule that follows it ends with the time, whatever the machine's speed.

    Args:
        steps: of the whole training.
        made: those that were made before.
        deadline: None: there is no hurry.
    """

    def __init__(self, steps: int, made: int = 0, deadline: Deadline | None = None) -> None:
        self.steps, self._made, self._deadline = steps, made, deadline
        self._allowed_s = deadline.left_s if deadline else 0.0

    def position(self, made: int) -> float:
        """Steps, from 0 to all of them, of which so many were made."""
        return max(float(made), self._by_time())

    def is_over(self, made: int) -> bool:
        """True after the last step, and as soon as the time is up."""
        return self.position(made) >= self.steps

    def _by_time(self) -> float:
        if self._deadline is None:
            return 0.0
        left = self._deadline.left_s / self._allowed_s if self._allowed_s else 0.0
        return self._made + (self.steps - self._made) * (1 - left)
