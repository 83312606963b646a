"""Labels inside labels: each with its parents, by their numbers."""

from .sigmoid import ChoicesColumn

__all__: list[str] = []


class PathsColumn(ChoicesColumn):
    """A list of numbers per row; a label is named by its whole path."""

    head = "taxonomy"
