"""What Label Studio's event webhook tells. Events are hints: unordered, never repeated, sometimes lost."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .example import PrelabelOutcome, SelectedBy

__all__ = ["AnnotationEvent", "EventAction"]


class EventAction(StrEnum):
    """What happened to an annotation."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class AnnotationEvent:
    """One change of one annotation, as stored at ingest.

    Attributes:
        task_id: None for deletions, which do not carry it.
        prelabel: what the annotator did with the pre-label; kept here because deleting the prediction in
            Label Studio loses it.
        model_version: version of that pre-label, None where there was none or Label Studio did not say.
        is_blind: the task is held out, so no pre-label was shown.
        changed_at: Label Studio's own time of the change, ISO 8601; tells repeated deliveries apart.
    """

    project_id: int
    action: EventAction
    annotation_id: int
    task_id: int | None = None
    annotator: str = "unknown"
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
