"""Which events count for an annotation as Label Studio has it."""

from dataclasses import replace
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation, Task
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome, SelectedBy
from ml_backend.snapshots.believe import credible_event

CREATED_AT, CHANGED_AT = "2026-05-01T10:00:00.000000Z", "2026-05-01T11:00:00.000000Z"
TASK = Task(5, {"text": "one"})
NEW = Annotation(31, "7", (), created_at=CREATED_AT, updated_at="2026-05-01T10:00:00.000040Z")
CHANGED = replace(NEW, updated_at=CHANGED_AT)
CREATED = AnnotationEvent(
    project_id=1,
    action=EventAction.CREATED,
    annotation_id=31,
    task_id=5,
    annotator="7",
    prelabel=PrelabelOutcome.ACCEPTED,
    selected_by=SelectedBy.ACTIVE,
    changed_at="2026-05-01T10:00:00.000040Z",
)
UPDATED = replace(CREATED, action=EventAction.UPDATED, changed_at=CHANGED_AT)


def believe(*events: AnnotationEvent, annotation: Annotation = CHANGED, is_held_out: bool = False) -> Any:
    return credible_event(events, TASK, annotation, is_held_out=is_held_out)


@pytest.mark.parametrize(
    "event",
    [
        CREATED,
        UPDATED,
        replace(CREATED, task_id=None),
        replace(CREATED, annotator="unknown"),
        replace(UPDATED, changed_at="2026-05-01T10:30:00Z"),
        replace(UPDATED, changed_at="2026-05-01T14:00:00+03:00"),
    ],
)
def test_what_can_have_happened_to_the_annotation_is_believed(event: AnnotationEvent) -> None:
    assert believe(event) == event


@pytest.mark.parametrize(
    "forged",
    [
        replace(CREATED, task_id=6),
        replace(CREATED, annotator="8"),
        replace(CREATED, action=EventAction.DELETED),
        replace(CREATED, changed_at=""),
        replace(CREATED, changed_at="soon"),
        replace(CREATED, changed_at="2026-05-01T09:59:59Z"),
        replace(UPDATED, changed_at="2026-05-01T11:00:00.000001Z"),
        replace(UPDATED, changed_at="9999-12-31T23:59:59Z"),
    ],
)
def test_what_contradicts_the_annotation_counts_for_nothing(forged: AnnotationEvent) -> None:
    star = replace(forged, ground_truth=True, is_blind=True, selected_by=SelectedBy.RANDOM)

    assert believe(star) is believe() is None
    assert believe(star, CREATED, star, UPDATED, star) == UPDATED


@pytest.mark.parametrize("changed_at", [CREATED_AT, NEW.updated_at, CHANGED_AT])
def test_an_annotation_that_nobody_changed_was_starred_by_nobody(changed_at: str) -> None:
    star = replace(UPDATED, ground_truth=True, changed_at=changed_at)

    assert believe(star, annotation=NEW) is None
    assert believe(CREATED, star, annotation=NEW) == CREATED


@pytest.mark.parametrize(
    ("event", "is_held_out", "believed"),
    [
        ({"is_blind": True}, True, {"is_blind": True}),
        ({"is_blind": True}, False, {"is_blind": False}),
        ({"is_blind": False}, True, {"is_blind": False}),
        ({"selected_by": SelectedBy.ACTIVE}, False, {"selected_by": SelectedBy.ACTIVE}),
        ({"selected_by": SelectedBy.ACTIVE}, True, {"selected_by": SelectedBy.RANDOM}),
        ({"selected_by": SelectedBy.RANDOM}, True, {"selected_by": SelectedBy.RANDOM}),
        ({"selected_by": SelectedBy.SUSPECT}, True, {"selected_by": SelectedBy.SUSPECT}),
    ],
)
def test_only_a_held_out_task_was_blind_and_no_score_chose_one(
    event: dict[str, Any], is_held_out: bool, believed: dict[str, Any]
) -> None:
    found = believe(replace(CREATED, **event), is_held_out=is_held_out)

    assert {name: getattr(found, name) for name in believed} == believed
