"""Hints: claims of events about a project that Label Studio itself has not confirmed yet."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Hint", "HintKind"]


class HintKind(StrEnum):
    """The subjects of hints, in the order in which Label Studio is asked about them."""

    SETTINGS = "settings"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Hint:
    """A note that something about a project may have changed.

    Attributes:
        told_at: time of the last event that claimed it.
    """

    project_id: int
    kind: HintKind
    told_at: datetime
