"""A single choice about each marked piece of a text: `<Choices perRegion="true">` beside `<Labels>`."""

from .base import TaskKind
from .classification import Classification
from .regions import RegionKind

__all__: list[str] = []


class RegionChoice(RegionKind):
    """One class per marked piece."""

    name = "region_choice"
    head = "softmax"
    kind_of_each = "classification"
    example = '<Choices perRegion="true">'

    @property
    def of_each(self) -> TaskKind:
        return Classification()
