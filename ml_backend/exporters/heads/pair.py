"""Comparisons: a side by its number."""

from .softmax import ChoiceColumn

__all__: list[str] = []


class SideColumn(ChoiceColumn):
    """0 for the left text, 1 for the right one."""

    head = "pair"
