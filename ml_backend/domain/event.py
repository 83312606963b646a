"""Events of Label Studio's webhook. They are hints: unordered, never sent again, sometimes lost or made up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce

from .annotation import Annotation
from .example import PrelabelOutcome, SelectedBy

__all__ = ["AnnotationEvent", "EventAction", "HintKind"]


class EventAction(StrEnum):
    """The change of an annotation that an event reports."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class HintKind(StrEnum):
    """The subjects of hints, the claims of events about a project that Label Studio has not confirmed yet.

    In the order in which Label Studio is asked about them.
    """

    SETTINGS = "settings"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class AnnotationEvent:
    """One change of one annotation, as stored at ingest.

    Attributes:
        task_id: None for deletions, which do not carry it.
        prelabel: what the annotator did with the pre-label; kept here because deleting the prediction in
            Label Studio loses it.
        model_version: version of that pre-label, None where there was none or Label Studio did not say.
        selected_by: ACTIVE for held-out tasks as well, whose scores are random.
        is_blind: the project was connected, so no pre-label was shown if the task is held out.
        changed_at: Label Studio's own time of the change, ISO 8601; tells repeated deliveries apart.
    """

    project_id: int
    action: EventAction
    annotation_id: int
    task_id: int | None = None
    annotator: str = Annotation.UNKNOWN_ANNOTATOR
    was_cancelled: bool = False
    ground_truth: bool = False
    lead_time_s: float | None = None
    parent_prediction: int | None = None
    prelabel: PrelabelOutcome = PrelabelOutcome.NONE
    model_version: str | None = None
    selected_by: SelectedBy = SelectedBy.UNKNOWN
    is_blind: bool = False
    changed_at: str = ""
    received_at: datetime | None = None

    @classmethod
    def of(
        cls, annotation: Annotation, project_id: int, action: EventAction, *, task_id: int | None
    ) -> "AnnotationEvent":
        """Make an event that says what the annotation says; how the label was made is left unknown."""
        return cls(
            project_id=project_id,
            action=action,
            annotation_id=annotation.id,
            task_id=task_id,
            annotator=annotation.annotator,
            was_cancelled=annotation.was_cancelled,
            ground_truth=annotation.ground_truth,
            lead_time_s=annotation.lead_time_s,
            parent_prediction=annotation.parent_prediction,
            prelabel=annotation.prelabel,
            changed_at=annotation.updated_at or "",
        )

    @staticmethod
    def merge(events: "Sequence[AnnotationEvent]") -> "AnnotationEvent":
        """Merge the events of one annotation, of which there is at least one, into one event.

        The first event says how the label was made (selection, blindness, the pre-label's version), the last one how it
        is now. What the annotator did with the pre-label comes from the last event that knows it. A ground-truth star
        in any event is kept, and so is the fact that somebody looked at the label again because it was suspect.
        """
        return reduce(_merge, events)


def _merge(first: AnnotationEvent, later: AnnotationEvent) -> AnnotationEvent:
    return replace(
        later,
        task_id=later.task_id or first.task_id,
        prelabel=first.prelabel if later.prelabel is PrelabelOutcome.NONE else later.prelabel,
        model_version=first.model_version or later.model_version,
        selected_by=SelectedBy.SUSPECT if later.selected_by is SelectedBy.SUSPECT else first.selected_by,
        is_blind=first.is_blind,
        ground_truth=first.ground_truth or later.ground_truth,
    )
