from dataclasses import replace

from ml_backend.domain.drift import BlindAnswer, DriftAlarm, DriftKind
from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.storage.database import Database
from tests.fakes import FakeClock

V1, V2 = "a-7-v1", "a-7-v2"
REGIONS = ({"from_name": "category", "value": {"choices": ["Billing"]}},)


def answer(task_id: int, version: str = V1, *, is_reference: bool = False) -> BlindAnswer:
    return BlindAnswer(7, version, task_id, is_reference, REGIONS, "Billing", 0.1 + 0.2)


def label(database: Database, task_id: int, action: EventAction = EventAction.CREATED, **facts: bool) -> None:
    event = AnnotationEvent(7, action, task_id, task_id=task_id, changed_at=str(database.events.last_id(7)), **facts)
    database.events.add([event])


def test_a_version_answers_a_task_once(database: Database, clock: FakeClock) -> None:
    assert not database.blind_answers.is_known(7, V1)
    database.blind_answers.add([answer(9), answer(5)])
    made_at = clock.now
    clock.advance(60)
    database.blind_answers.add([replace(answer(5), label="Other"), answer(6), answer(5, V2)])

    assert database.blind_answers.of_version(7, V1) == [
        replace(answer(9), created_at=made_at),
        replace(answer(5), created_at=made_at),
        replace(answer(6), created_at=clock.now),
    ]
    assert database.blind_answers.is_known(7, V1)
    assert not database.blind_answers.is_known(8, V1)


def test_answers_to_tasks_with_new_labels_wait_until_they_are_judged(database: Database, clock: FakeClock) -> None:
    database.blind_answers.add([answer(5), answer(6), answer(7), answer(8), answer(5, V2)])
    database.blind_answers.add([answer(9, is_reference=True)])
    label(database, 5)
    seen = database.events.last_id(7)
    label(database, 6)
    label(database, 7, was_cancelled=True)
    label(database, 8, EventAction.DELETED)
    label(database, 9)

    assert [(each.task_id, each.version) for each in database.blind_answers.labeled_since(7, 0)] == [
        (5, V1),
        (6, V1),
        (5, V2),
    ]
    assert [each.task_id for each in database.blind_answers.labeled_since(7, seen)] == [6]

    judged = replace(answer(5), answered_at="2026-03-02", is_wrong=True)
    database.blind_answers.judge([judged])
    database.blind_answers.judge([replace(judged, is_wrong=False)])

    assert [(each.task_id, each.version) for each in database.blind_answers.labeled_since(7, 0)] == [(6, V1), (5, V2)]
    kept = database.blind_answers.of_version(7, V1)[0]
    assert (kept.answered_at, kept.is_wrong, kept.judged_at) == ("2026-03-02", True, clock.now)


def test_only_answers_to_what_came_after_the_snapshot_are_counted(database: Database) -> None:
    judged = {"answered_at": "2026", "is_wrong": False}
    reference = replace(answer(1, is_reference=True), **judged)
    database.blind_answers.add([reference, answer(2), replace(answer(3), **judged)])
    database.blind_answers.add([replace(answer(4), **judged | {"is_wrong": True})])

    assert database.blind_answers.counts(7, V1) == (2, 1)
    assert database.blind_answers.counts(7, V2) == (0, 0)


def test_of_former_versions_what_people_answered_stays(database: Database) -> None:
    answered = replace(answer(2), answered_at="2026", is_wrong=False)
    database.blind_answers.add([answer(1, is_reference=True), answered, answer(3), answer(3, V2)])

    database.blind_answers.forget(7, {V2})

    assert [each.task_id for each in database.blind_answers.of_version(7, V1)] == [1, 2]
    assert [each.task_id for each in database.blind_answers.of_version(7, V2)] == [3]


def test_an_alarm_is_raised_once_per_version_and_kind(database: Database, clock: FakeClock) -> None:
    alarm = DriftAlarm(7, V1, DriftKind.TEXTS, "strange texts", clock(), clock())
    later = replace(alarm, version=V2, raised_at=clock.now.replace(hour=13))

    assert database.drift_alarms.add(alarm)
    assert not database.drift_alarms.add(replace(alarm, sentence="again"))
    assert database.drift_alarms.add(later)

    assert database.drift_alarms.all(7) == [later, alarm]
    assert database.drift_alarms.all(7, V1) == [alarm]
    assert database.drift_alarms.all(8) == []


def test_tasks_that_were_labeled_for_the_first_time_after_an_event(database: Database) -> None:
    label(database, 5)
    seen = database.events.last_id(7)
    label(database, 6)
    label(database, 5, EventAction.UPDATED)

    assert database.events.labeled_first_after(7, seen) == {6}
    assert database.events.labeled_first_after(7, 0) == {5, 6}


def test_events_can_be_asked_for_by_annotation(database: Database) -> None:
    for task_id in (5, 6, 5):
        label(database, task_id, EventAction.UPDATED)

    assert {number: len(found) for number, found in database.events.by_annotation(7, {5, 9}).items()} == {5: 2}


def test_judged_answers_are_told_without_what_they_hold(database: Database) -> None:
    database.blind_answers.add([answer(1, is_reference=True), answer(2), answer(3), answer(4, V2)])
    database.blind_answers.judge([replace(answer(n), answered_at=f"2026-03-0{n}", is_wrong=n == 2) for n in (1, 2)])

    assert database.blind_answers.judged(7, V1) == [(True, "2026-03-01", False), (False, "2026-03-02", True)]
    counts = [database.blind_answers.count(7, V1, is_reference=is_reference) for is_reference in (True, False)]
    assert counts == [1, 2]
