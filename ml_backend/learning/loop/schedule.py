"""When a training has to be over, how large its steps are, and which rows each of them sees."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Deadline", "Schedule", "batches_of_like_length"]


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
        """Return the moment in this many seconds."""
        return cls(clock() + seconds, clock)

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 once it is past."""
        return max(0.0, self.end_s - self.clock())

    def earlier(self, seconds: float) -> "Deadline":
        """Return the moment that is this many seconds before."""
        return Deadline(self.end_s - seconds, self.clock)

    def part(self, share: float) -> "Deadline":
        """Return the moment at which this share of the time left will be used up."""
        return Deadline.after(share * self.left_s, self.clock)


class Schedule:
    """Positions in a training, in steps: by the steps made, or by the time used up where that is further on.

    Learning rates that follow it reach 0 when the time ends, whatever the machine's speed.

    Args:
        steps: of the whole training.
        warmup_fraction: share of the steps in which the learning rates rise.
        made: steps of earlier attempts.
        deadline: None: there is no hurry.
    """

    def __init__(
        self, steps: int, *, warmup_fraction: float = 0.0, made: int = 0, deadline: Deadline | None = None
    ) -> None:
        self.steps, self._made, self._deadline = steps, made, deadline
        self._warmup = max(1, round(warmup_fraction * steps))
        self._allowed_s = deadline.left_s if deadline else 0.0

    def position(self, count: int) -> float:
        """Steps, from 0 to all of them, after this many were made."""
        return max(float(count), self._by_time())

    def is_over(self, count: int) -> bool:
        """True after the last step, and as soon as the time is up."""
        return self.position(count) >= self.steps

    def rate_factor(self, count: int) -> float:
        """Share of the peak rate for the next step: a linear rise, then a linear fall that ends just above 0."""
        step = self.position(count)
        if step < self._warmup:
            return min(1.0, (step + 1) / self._warmup)
        return max(0.0, (self.steps - step) / max(1, self.steps - self._warmup))

    def _by_time(self) -> float:
        if self._deadline is None:
            return 0.0
        left = self._deadline.left_s / self._allowed_s if self._allowed_s else 0.0
        return self._made + (self.steps - self._made) * (1 - left)


def batches_of_like_length(
    lengths: Sequence[int], batch_size: int, chunk_rows: int, rng: np.random.Generator
) -> list[list[int]]:
    """All rows once, in batches in random order.

    Rows are shuffled, sorted by length within chunks, and cut into batches; so a batch needs little padding, and no
    two epochs have the same batches. Only one may be smaller than `batch_size`.
    """
    order = rng.permutation(len(lengths))
    whole = max(batch_size, chunk_rows - chunk_rows % batch_size)
    batches = []
    for start in range(0, len(order), whole):
        chunk = sorted(order[start : start + whole].tolist(), key=lambda row: lengths[row])
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]
