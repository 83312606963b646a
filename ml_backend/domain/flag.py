"""Flags: labels that people were asked to look at again, and what they decided."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from .example import Target
from .quality import IssueKind

__all__ = ["Flag", "FlagOutcome"]


class FlagOutcome(StrEnum):
    """The outcome of a flag. WITHDRAWN: a later audit no longer found it, and nobody had decided."""

    OPEN = "open"
    CHANGED_TO_SUGGESTION = "changed_to_suggestion"
    CHANGED = "changed"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"

    @property
    def is_decision(self) -> bool:
        """True where a person has looked at the label and answered."""
        return self not in (FlagOutcome.OPEN, FlagOutcome.WITHDRAWN)

    @property
    def was_right(self) -> bool:
        """True where the label turned out to be wrong, whatever the right one is."""
        return self in (FlagOutcome.CHANGED_TO_SUGGESTION, FlagOutcome.CHANGED)


@dataclass(frozen=True, slots=True)
class Flag:
    """One task that was shown in the tab of likely label errors.

    Attributes:
        control: name of the control whose answer is questioned; empty for flags from before labelloop served several,
            which are about the first one.
        given: the answer when it was flagged.
        suggested: what the tab showed beside it; None for held-out tasks.
        quality: as the tab showed it.
        is_decoy: nothing was wrong; shown so that held-out tasks with an issue look like any other.
        snapshot_id: the snapshot whose audit said so last.
        probabilities_from: where that audit's probabilities came from.
        labeled_at: time of the label's last change when it was flagged, in Label Studio's own words.
        answer: the label after the decision, None before it.
        decided_at: None before the decision or the withdrawal.
    """

    project_id: int
    task_id: int
    kind: IssueKind
    given: Target
    suggested: Target | None
    quality: float
    is_held_out: bool
    is_decoy: bool
    snapshot_id: str
    probabilities_from: str
    labeled_at: str
    flagged_at: datetime
    outcome: FlagOutcome = FlagOutcome.OPEN
    answer: Target | None = None
    decided_at: datetime | None = None
    control: str = ""
    id: int = 0

    def about(self, first_control: str) -> "Flag":
        """Return the flag with the control that it is about.

        Args:
            first_control: what it is about where it names none.
        """
        return self if self.control else replace(self, control=first_control)

    def says_the_same_as(self, other: "Flag") -> bool:
        """Return whether nothing differs but the times and the outcome."""
        aside = ("labeled_at", "flagged_at", "decided_at", "outcome", "answer", "id")
        return replace(self, **{name: getattr(other, name) for name in aside}) == other
