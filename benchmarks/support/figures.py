"""Figures of several rounds: medians with ranges, percentiles, and pairs taken in alternation."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["in_turns", "percentile", "spread"]

Answer = TypeVar("Answer")


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, lowest and highest value."""
    return {
        "median": round(statistics.median(values), digits),
        "low": round(min(values), digits),
        "high": round(max(values), digits),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def in_turns(rounds: int, *ways: Callable[[int], Answer]) -> list[list[Answer]]:
    """The answers of each way, one a round; who comes first changes from round to round.

    Args:
        ways: called with the number of the round.
    """
    answers: list[list[Answer]] = [[] for _ in ways]
    for number in range(rounds):
        order = range(len(ways)) if number % 2 == 0 else reversed(range(len(ways)))
        for way in order:
            answers[way].append(ways[way](number))
    return answers
