"""Hints: claims of events about a project that Label Studio itself has not confirmed yet."""

from enum import StrEnum

__all__ = ["HintKind"]


class HintKind(StrEnum):
    """The subjects of hints, in the order in which Label Studio is asked about them."""

    SETTINGS = "settings"
    TASKS = "tasks"
