"""Read the choices that were ticked in a `<Choices>`, one or several."""

from collections.abc import Mapping, Sequence

from ..domain.annotation import Region, flat_choices

__all__ = ["ticked_choices"]


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
