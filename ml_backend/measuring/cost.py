"""The cost of labels: the time that annotators spend, and what pre-labels save of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..domain.event import AnnotationEvent
from ..domain.example import PrelabelOutcome

__all__ = ["LabelingCost"]


@dataclass(frozen=True, slots=True)
class LabelingCost:
    """The annotators' work.

    Attributes:
        labeled: tasks that were answered and not skipped.
        prelabels: answered tasks by what became of their pre-label.
        seconds: spent on all tasks, skipped ones included.
        mean_seconds: per answered task, by what became of the pre-label.
    """

    labeled: int
    skipped: int
    prelabels: Mapping[PrelabelOutcome, int]
    seconds: float
    mean_seconds: Mapping[PrelabelOutcome, float]

    @property
    def acceptance(self) -> float:
        """Share of the pre-labels seen that were accepted; 0 where none was seen."""
        count = self.prelabels[PrelabelOutcome.ACCEPTED] + self.prelabels[PrelabelOutcome.CHANGED]
        return self.prelabels[PrelabelOutcome.ACCEPTED] / count if count else 0.0

    @property
    def seconds_per_label(self) -> float:
        """Mean time that one label cost."""
        return self.seconds / self.labeled if self.labeled else 0.0

    @classmethod
    def of(cls, events: Collection[AnnotationEvent]) -> "LabelingCost":
        """Return the cost of the labels in a project's events, given the latest event of each annotation."""
        answered = [event for event in events if not event.was_cancelled]
        by_outcome = {
            outcome: [event for event in answered if event.prelabel is outcome] for outcome in PrelabelOutcome
        }
        return cls(
            labeled=len(answered),
            skipped=len(events) - len(answered),
            prelabels={outcome: len(group) for outcome, group in by_outcome.items()},
            seconds=_seconds(events),
            mean_seconds={outcome: _seconds(group) / len(group) for outcome, group in by_outcome.items() if group},
        )


def _seconds(events: Collection[AnnotationEvent]) -> float:
    return round(sum(event.lead_time_s or 0.0 for event in events), 1)
