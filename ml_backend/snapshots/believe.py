"""What events tell about an annotation, as far as Label Studio itself bears it out.

The webhook's credentials are shown to every member of a project, so anybody may have made an event up. Label Studio's
own annotation is the judge: an event that contradicts it counts for nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ..domain.annotation import Annotation, Task
from ..domain.event import AnnotationEvent, EventAction, merged
from ..domain.example import SelectedBy
from .review import UNKNOWN_ANNOTATOR, last_change, time_of

__all__ = ["believed"]

ONE_ACT = timedelta(seconds=0.1)
"""Label Studio writes the two times of a new annotation within some 0.05 ms; a person's change comes later."""


def believed(
    told: Sequence[AnnotationEvent], task: Task, annotation: Annotation, *, is_held_out: bool
) -> AnnotationEvent | None:
    """What the events say together that agree with the annotation; None where none does.

    Args:
        told: the annotation's events, in the order in which they came.
        is_held_out: by the task's text; only then was the task blind, and chosen by no score.
    """
    agreeing = [event for event in told if _agrees(event, task, annotation)]
    if not agreeing:
        return None
    together = merged(agreeing)
    chosen_by = together.selected_by
    if is_held_out and chosen_by is SelectedBy.ACTIVE:
        chosen_by = SelectedBy.RANDOM
    return replace(together, is_blind=together.is_blind and is_held_out, selected_by=chosen_by)


def _agrees(event: AnnotationEvent, task: Task, annotation: Annotation) -> bool:
    """True of what can have been said of this annotation between its making and its last change."""
    if event.action is EventAction.DELETED or event.task_id not in (None, task.id):
        return False
    known = {event.annotator, annotation.annotator} - {UNKNOWN_ANNOTATOR}
    return len(known) <= 1 and _is_in_time(event, annotation)


def _is_in_time(event: AnnotationEvent, annotation: Annotation) -> bool:
    made_at, told_at = time_of(annotation.created_at), time_of(event.changed_at)
    earliest = made_at + ONE_ACT if event.action is EventAction.UPDATED else made_at
    return earliest <= told_at <= last_change(annotation)
