"""Stars for each marked piece of a text: `<Rating perRegion="true">` beside `<Labels>`."""

from ..domain.example import Target
from .base import TaskKind
from .rating import Rating
from .regions import RegionKind

__all__: list[str] = []


class RegionRating(RegionKind):
    """A whole number of stars per marked piece."""

    name = "region_rating"
    head = "ordinal"
    kind_of_each = "rating"
    example = '<Rating perRegion="true">'

    @property
    def of_each(self) -> TaskKind:
        return Rating()

    def answer_named(self, label: str) -> Target:
        return int(label) if label.isdecimal() else label
