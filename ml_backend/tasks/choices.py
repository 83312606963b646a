"""Read the choices that were made, one or several, and settle what several annotators chose."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..domain.annotation import Region, flat_choices
from ..domain.example import Target
from ..domain.reasons import Reason
from .base import GivenAnswer

__all__ = ["chosen_by_most", "only_choice", "ticked_choices"]


def ticked_choices(regions: Sequence[Region]) -> set[str] | None:
    """Return the stored values of the ticked choices; None where a region is malformed or of nested choices."""
    values: set[str] = set()
    for region in regions:
        value = region.get("value")
        choices = flat_choices(value.get("choices")) if isinstance(value, Mapping) else None
        if region.get("type") != "choices" or not isinstance(choices, list):
            return None
        if not all(isinstance(choice, str) for choice in choices):
            return None
        values.update(choices)
    return values


def only_choice(values: Collection[str] | None) -> GivenAnswer:
    """Return the answer of a single choice, of which different values were stored; None: they cannot be read."""
    if not values:
        return GivenAnswer(reasons=(Reason.UNREADABLE,))
    return GivenAnswer(next(iter(values))) if len(values) == 1 else GivenAnswer(reasons=(Reason.CONTRADICTORY,))


def chosen_by_most(votes: Sequence[Target]) -> Target | None:
    """Return what more than half of the annotators chose, None where there is no such choice."""
    ((winner, count),) = Counter(votes).most_common(1)
    return winner if count * 2 > len(votes) else None
