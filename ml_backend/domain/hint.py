"""What events claim about a project, until Label Studio itself has been asked."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Hint", "HintKind"]


class HintKind(StrEnum):
    """What there is to ask about, in the order in which it is asked."""

    SETTINGS = "settings"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Hint:
    """Something about a project may have changed.

    Attributes:
        told_at: when an event last claimed so.
    """

    project_id: int
    kind: HintKind
    told_at: datetime
