"""Tasks that were chosen to be labeled next."""

from dataclasses import dataclass

from .example import SelectedBy

__all__ = ["SelectedTask"]


@dataclass(frozen=True, slots=True)
class SelectedTask:
    """A task on the list of those to label next.

    Attributes:
        strategy: what chose it: a selection strategy, `random`, `label_error`, `disagreement` or `audit`.
        reason: why, in plain words.
        priority: above 0, at most 1; the higher, the sooner. No two tasks of a list have the same.
        selected_by: how a label that it gets now counts.
    """

    task_id: int
    strategy: str
    reason: str
    priority: float
    selected_by: SelectedBy
