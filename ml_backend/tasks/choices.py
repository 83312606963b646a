"""What was ticked in a `<Choices>`, be it one choice or several."""

from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.region import flat_choices

__all__ = ["ticked"]


def ticked(regions: Sequence[Region]) -> set[str] | None:
    """The stored values of the choices that are ticked; None where a region is malformed or of nested choices."""
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
