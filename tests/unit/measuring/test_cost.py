"""What labels cost."""

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.measuring.cost import LabelingCost

ACCEPTED, CHANGED, NONE = PrelabelOutcome.ACCEPTED, PrelabelOutcome.CHANGED, PrelabelOutcome.NONE


def _event(number: int, prelabel: PrelabelOutcome, seconds: float, *, is_skipped: bool = False) -> AnnotationEvent:
    return AnnotationEvent(
        project_id=1,
        action=EventAction.CREATED,
        annotation_id=number,
        task_id=number,
        was_cancelled=is_skipped,
        lead_time_s=seconds,
        prelabel=prelabel,
    )


def test_labels_are_counted_and_timed_from_the_events() -> None:
    cost = LabelingCost.of(
        [
            _event(1, ACCEPTED, 4.0),
            _event(2, ACCEPTED, 6.0),
            _event(3, ACCEPTED, 5.0),
            _event(4, CHANGED, 9.0),
            _event(5, NONE, 8.0),
            _event(6, NONE, 18.0, is_skipped=True),
        ]
    )

    assert (cost.labeled, cost.skipped) == (5, 1)
    assert cost.prelabels == {ACCEPTED: 3, CHANGED: 1, NONE: 1}
    assert cost.acceptance == 0.75
    assert cost.mean_seconds == {ACCEPTED: 5.0, CHANGED: 9.0, NONE: 8.0}
    assert cost.seconds == 50.0
    assert cost.seconds_per_label == 10.0


def test_without_any_event_nothing_is_divided_by_zero() -> None:
    cost = LabelingCost.of([])

    assert (cost.labeled, cost.acceptance, cost.seconds_per_label) == (0, 0.0, 0.0)
