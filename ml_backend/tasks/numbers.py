"""Read numbers, and settle those that several annotators gave."""

import math
from collections.abc import Callable, Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.reasons import Reason
from .base import GivenAnswer

__all__ = ["given_number", "middle_number"]


def given_number(control: Control, result: Sequence[Region], key: str) -> GivenAnswer:
    """Return the number that a result gives once or several times; different numbers are no answer.

    Args:
        key: the type of the region, which is the key of its number as well.
    """
    regions = [region for region in result if region.get("from_name") == control.name]
    if not regions:
        return GivenAnswer()
    values = [region.get("value") for region in regions if region.get("type") == key]
    numbers = [value.get(key) for value in values if isinstance(value, Mapping) and is_number(value.get(key))]
    if len(numbers) < len(regions):
        return GivenAnswer(reasons=(Reason.UNREADABLE,))
    different = set(numbers)
    return GivenAnswer(different.pop()) if len(different) == 1 else GivenAnswer(reasons=(Reason.CONTRADICTORY,))


def middle_number(votes: Sequence[Target], is_near: Callable[[float, float], bool]) -> float | None:
    """Return the middle one of the numbers where more than half of them are near it, else None.

    Of two middle ones it is the one with more near it, then the lower one: a number that somebody gave.
    """
    numbers = sorted(vote for vote in votes if isinstance(vote, int | float))
    middle = numbers[(len(numbers) - 1) // 2 : len(numbers) // 2 + 1]
    near = [sum(is_near(number, other) for other in numbers) for number in middle]
    best = max(range(len(middle)), key=near.__getitem__)
    return middle[best] if near[best] * 2 > len(numbers) else None


def is_number(value: object) -> bool:
    """True for finite JSON numbers; JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
