"""What the demo measures."""

from pathlib import Path

import pytest

from ml_backend.demo.desk import OpenTask, ShownPrelabel
from ml_backend.demo.figures import Change, Leftover, Measured, Training, measure_labeling, measure_leftover
from ml_backend.demo.tickets import Ticket
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from tests.services import add_project, build_test_services

ACCEPTED, CHANGED, NONE = PrelabelOutcome.ACCEPTED, PrelabelOutcome.CHANGED, PrelabelOutcome.NONE
OLD, NEW = "tickets-1-cold-start-x", "tickets-1-v1"


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


def test_labeling_is_counted_and_timed_from_the_events(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)
    project = add_project(services)
    services.database.events.add(
        [
            _event(1, ACCEPTED, 4.0),
            _event(2, ACCEPTED, 6.0),
            _event(3, ACCEPTED, 5.0),
            _event(4, CHANGED, 9.0),
            _event(5, NONE, 8.0),
            _event(6, NONE, 18.0, is_skipped=True),
        ]
    )

    labeling = measure_labeling(services, project)

    assert (labeling.labeled, labeling.skipped) == (5, 1)
    assert labeling.prelabels == {ACCEPTED: 3, CHANGED: 1, NONE: 1}
    assert labeling.acceptance == 0.75
    assert labeling.mean_seconds == {ACCEPTED: 5.0, CHANGED: 9.0, NONE: 8.0}
    assert labeling.seconds == 50.0
    assert labeling.seconds_per_label == 10.0


def test_without_any_event_nothing_is_divided_by_zero(tmp_path: Path) -> None:
    services = build_test_services(tmp_path)

    labeling = measure_labeling(services, add_project(services))

    assert (labeling.labeled, labeling.acceptance, labeling.seconds_per_label) == (0, 0.0, 0.0)


def _task(number: int, old: str | None, new: str | None) -> OpenTask:
    prelabels = (ShownPrelabel(10 + number, OLD, old, 0.3), ShownPrelabel(20 + number, NEW, new, 0.8))
    return OpenTask(number, f"text {number}", prelabels)


def test_leftover_prelabels_are_compared_with_the_truth_and_blind_tasks_are_left_out() -> None:
    tickets = {f"text {number}": Ticket(f"text {number}", "Billing", is_hard=False) for number in range(1, 6)}
    only_old = OpenTask(5, "text 5", (ShownPrelabel(15, OLD, "Billing", 0.3),))
    tasks = [
        _task(1, "Shipping", "Billing"),
        _task(2, "Billing", "Billing"),
        _task(3, "Billing", "Returns"),
        _task(4, None, None),
        only_old,
    ]

    assert measure_leftover(tasks, tickets, before=OLD, after=NEW) == Leftover(
        tickets=3,
        right_before=2,
        right_after=2,
        changes=(
            Change("text 1", "Billing", "Shipping", 0.3, "Billing", 0.8),
            Change("text 3", "Billing", "Billing", 0.3, "Returns", 0.8),
        ),
    )


@pytest.mark.parametrize(
    ("is_promoted", "before", "after", "is_success"),
    [(True, 0.5, 0.6, True), (False, 0.5, 0.6, False), (True, 0.6, 0.6, False), (True, 0.6, 0.5, False)],
)
def test_success_is_a_promoted_version_that_beats_the_cold_start(
    is_promoted: bool, before: float, after: float, is_success: bool
) -> None:
    training = Training(
        job_id=2,
        method="lora",
        seconds=60.0,
        test_rows=90,
        before=Measured(OLD, before, 0.5),
        after=Measured(NEW, after, 0.5),
        is_promoted=is_promoted,
        is_provisional=True,
        reason="",
        warnings=(),
    )

    assert training.is_success is is_success
    assert training.gain == after - before
