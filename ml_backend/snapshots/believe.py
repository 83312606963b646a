"""Decide which events about an annotation to believe, by comparing them with Label Studio's own annotation.

Label Studio shows the webhook's credentials to every member of a project, so any of them may have made an event up. An
event that contradicts the annotation in Label Studio is ignored.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ..domain.annotation import Annotation, Task
from ..domain.event import AnnotationEvent, EventAction
from ..domain.example import SelectedBy

__all__ = ["credible_event"]

ONE_ACT = timedelta(seconds=0.1)
"""The longest time between the two times of an unchanged annotation. Label Studio writes both within about 0.05 ms,
and a person's change comes later."""


def credible_event(
    events: Sequence[AnnotationEvent], task: Task, annotation: Annotation, *, is_held_out: bool
) -> AnnotationEvent | None:
    """Merge the events that agree with the annotation; None where none does.

    Args:
        events: the annotation's events, in the order in which they arrived.
        is_held_out: whether the task's text is held out; only then was the task blind and not chosen by a score.
    """
    agreeing = [event for event in events if _agrees(event, task, annotation)]
    if not agreeing:
        return None
    together = AnnotationEvent.merge(agreeing)
    chosen_by = together.selected_by
    if is_held_out and chosen_by is SelectedBy.ACTIVE:
        chosen_by = SelectedBy.RANDOM
    return replace(together, is_blind=together.is_blind and is_held_out, selected_by=chosen_by)


def _agrees(event: AnnotationEvent, task: Task, annotation: Annotation) -> bool:
    """True where the event can be about this annotation, at a time between its creation and its last change."""
    if event.action is EventAction.DELETED or event.task_id not in (None, task.id):
        return False
    annotators = {event.annotator, annotation.annotator} - {Annotation.UNKNOWN_ANNOTATOR}
    return len(annotators) <= 1 and _is_in_time(event, annotation)


def _is_in_time(event: AnnotationEvent, annotation: Annotation) -> bool:
    created_at, happened_at = Annotation.time_of(annotation.created_at), Annotation.time_of(event.changed_at)
    earliest = created_at + ONE_ACT if event.action is EventAction.UPDATED else created_at
    return earliest <= happened_at <= annotation.last_change
