"""Answers of versions to blind tasks, and alarms that something has changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .annotation import Region

__all__ = ["BlindAnswer", "DriftAlarm", "DriftKind"]


class DriftKind(StrEnum):
    """The subject of an alarm: the texts that come, the shares of labels that they are answered with, or the errors."""

    TEXTS = "texts"
    LABELS = "labels"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class BlindAnswer:
    """The answer of a version to a held-out task, which nobody is shown.

    Attributes:
        is_reference: the task is a test row of the version's snapshot; others are what came after it.
        regions: the answer, as Label Studio has it.
        label: the same in words, as far as labels go.
        fit: p-value of the text, see `fit`; None where the version cannot tell.
        answered_at: when people answered the task without a hint, as Label Studio wrote it; None: not yet.
        judged_at: when labelloop compared the two; answers count in this order, to which later ones are only added.
        is_wrong: people answered otherwise.
    """

    project_id: int
    version: str
    task_id: int
    is_reference: bool
    regions: tuple[Region, ...]
    label: str
    fit: float | None
    answered_at: str | None = None
    judged_at: datetime | None = None
    is_wrong: bool | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """An alarm about a version. There is at most one of a kind.

    Attributes:
        sentence: what was seen, for people.
        since: about when the change began.
    """

    project_id: int
    version: str
    kind: DriftKind
    sentence: str
    since: datetime
    raised_at: datetime
