import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome, SelectedBy
from ml_backend.storage.database import Database
from tests.fakes import FakeClock

MADE = AnnotationEvent(
    project_id=7,
    action=EventAction.CREATED,
    annotation_id=31,
    task_id=5,
    annotator="2",
    lead_time_s=1.5,
    parent_prediction=9,
    prelabel=PrelabelOutcome.ACCEPTED,
    model_version="tickets-7-v1",
    selected_by=SelectedBy.ACTIVE,
    changed_at="2026-01-01T12:00:00.123456Z",
)
CHANGED = dataclasses.replace(
    MADE,
    action=EventAction.UPDATED,
    prelabel=PrelabelOutcome.NONE,
    model_version=None,
    selected_by=SelectedBy.RANDOM,
    is_blind=True,
    lead_time_s=4.0,
    changed_at="2026-01-01T12:05:00Z",
)
DELETED = AnnotationEvent(project_id=7, action=EventAction.DELETED, annotation_id=31)


def made(annotation_id: int, **more: Any) -> AnnotationEvent:
    return dataclasses.replace(MADE, annotation_id=annotation_id, **more)


def test_an_event_is_kept_as_it_came_with_the_time_of_its_arrival(database: Database, clock: FakeClock) -> None:
    assert database.events.add([MADE]) == 1
    kept = database.events.last_received(7)
    assert kept == dataclasses.replace(MADE, received_at=clock())
    assert kept is not None
    assert kept.received_at is not None
    assert kept.received_at.utcoffset() == timedelta(0)


def test_a_repeated_delivery_changes_nothing(database: Database, clock: FakeClock) -> None:
    database.events.add([MADE])
    last_id = database.events.last_id(7)
    clock.advance(60)
    assert database.events.add([MADE, dataclasses.replace(MADE, annotator="other")]) == 0
    assert database.events.last_id(7) == last_id
    assert database.events.last_received(7) != dataclasses.replace(MADE, received_at=clock())


def test_the_same_event_twice_in_one_delivery_counts_once(database: Database) -> None:
    assert database.events.add([MADE, MADE, CHANGED]) == 2


@pytest.mark.parametrize(
    "other",
    [{"project_id": 8}, {"annotation_id": 32}, {"action": EventAction.UPDATED}, {"changed_at": "2026-01-01T12:00:01Z"}],
)
def test_another_change_is_another_event(database: Database, other: dict[str, Any]) -> None:
    assert database.events.add([MADE, dataclasses.replace(MADE, **other)]) == 2


def test_a_delivery_of_thousands_is_stored_whole(database: Database) -> None:
    assert database.events.add([made(number) for number in range(11_234)]) == 11_234
    assert database.events.add([made(number) for number in range(11_000, 11_300)]) == 66
    assert database.events.new_label_count(7, 0) == 11_300


def test_others_can_write_while_a_large_delivery_is_stored(database: Database) -> None:
    many = [made(number, project_id=9) for number in range(15_000)]
    stored: set[int] = set()  # what was there of the large delivery whenever another one had been written
    with ThreadPoolExecutor() as pool:
        large = pool.submit(database.events.add, many)
        number = 0
        while not large.done():
            number += 1
            assert database.events.add([made(number)]) == 1
            stored.add(database.events.last_id(9))

    assert large.result() == 15_000
    assert stored - {0, database.events.last_id(9)}, "it is stored at one go, and all others wait for its end"


def test_no_event_is_no_delivery(database: Database) -> None:
    assert database.events.add([]) == 0
    assert database.events.last_id(7) == 0
    assert database.events.last_received(7) is None
    assert database.events.history(7) == {}


def test_the_history_of_an_annotation_merges_its_events(database: Database, clock: FakeClock) -> None:
    database.events.add([MADE])
    clock.advance(300)
    database.events.add([CHANGED])
    assert database.events.history(7) == {
        31: dataclasses.replace(
            MADE, action=EventAction.UPDATED, lead_time_s=4.0, changed_at="2026-01-01T12:05:00Z", received_at=clock()
        )
    }


@pytest.mark.parametrize("known", [{"prelabel": PrelabelOutcome.CHANGED}, {"selected_by": SelectedBy.SUSPECT}])
def test_the_last_event_that_knows_what_became_of_the_pre_label_or_of_a_suspect_says_it(
    database: Database, known: dict[str, Any]
) -> None:
    later = dataclasses.replace(CHANGED, **known)
    database.events.add([MADE, later, dataclasses.replace(CHANGED, changed_at="2026-01-01T12:06:00Z")])
    history = database.events.history(7)[31]
    assert {name: getattr(history, name) for name in known} == known


def test_a_star_once_given_stays(database: Database) -> None:
    database.events.add([dataclasses.replace(MADE, ground_truth=True), CHANGED])
    assert database.events.history(7)[31].ground_truth


def test_a_deletion_keeps_the_task_that_it_does_not_name(database: Database) -> None:
    database.events.add([MADE, DELETED])
    history = database.events.history(7)[31]
    assert (history.action, history.task_id) == (EventAction.DELETED, 5)


def test_new_labels_are_annotations_made_or_changed_since_an_event(database: Database) -> None:
    database.events.add([made(1), made(2)])
    last_id = database.events.last_id(7)
    assert database.events.new_label_count(7, last_id) == 0
    updated = [made(1, action=EventAction.UPDATED, changed_at=f"2026-01-02T00:00:0{n}Z") for n in range(2)]
    database.events.add([*updated, made(3), made(4, was_cancelled=True), made(5, project_id=8)])
    database.events.add([made(2, action=EventAction.DELETED, changed_at="")])
    assert database.events.new_label_count(7, last_id) == 2
    assert database.events.new_label_count(7, 0) == 3
    assert database.events.new_label_count(8, 0) == 1


def test_pre_label_outcomes_count_annotations_that_stand(database: Database) -> None:
    database.events.add(
        [made(1), made(2), made(3), made(4, prelabel=PrelabelOutcome.NONE), made(5, was_cancelled=True)]
    )
    database.events.add([made(1, action=EventAction.UPDATED, prelabel=PrelabelOutcome.CHANGED)])
    database.events.add([made(3, action=EventAction.DELETED)])
    assert database.events.prelabel_counts(7) == {
        PrelabelOutcome.ACCEPTED: 1,
        PrelabelOutcome.CHANGED: 1,
        PrelabelOutcome.NONE: 1,
    }


def test_what_label_studio_said_to_an_event_is_kept(database: Database) -> None:
    again = made(3, action=EventAction.UPDATED, changed_at="2026-01-01T12:09:00Z")
    database.events.add([made(1), made(2), made(3), again, made(4, was_cancelled=True), made(5, project_id=8)])
    database.events.add([made(6, action=EventAction.DELETED, changed_at="")])

    first, second = database.events.unconfirmed(7, 0, limit=2)
    assert [first.annotation_id, second.annotation_id] == [1, 2]
    database.events.confirm([first, second], {2})
    (third, fourth) = database.events.unconfirmed(7, 0, limit=9)
    assert [third.changed_at, fourth.changed_at] == [MADE.changed_at, again.changed_at]

    assert (database.events.confirmed_label_count(7, 0), database.events.new_label_count(7, 0)) == (1, 2)
    database.events.confirm([third], {3})
    assert (database.events.confirmed_label_count(7, 0), database.events.new_label_count(7, 0)) == (2, 2)
    assert database.events.confirmed_label_count(7, database.events.last_id(7)) == 0
    assert len(database.events.unconfirmed(8, 0, limit=9)) == 1


def test_all_that_was_told_of_an_annotation_is_kept_in_order(database: Database) -> None:
    database.events.add([CHANGED, made(8), MADE])
    told = database.events.by_annotation(7)

    assert {number: [event.action for event in events] for number, events in told.items()} == {
        31: [EventAction.UPDATED, EventAction.CREATED],
        8: [EventAction.CREATED],
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_by_outcome_are_those_of_the_merged_histories(
    database: Database, clock: FakeClock, seed: int
) -> None:
    """However many events came since the last count, and whether a while ago or just now."""
    random = Random(seed)
    for number in range(25):
        several = [
            made(
                random.randrange(120),
                action=random.choice(list(EventAction)),
                prelabel=random.choice(list(PrelabelOutcome)),
                was_cancelled=random.random() < 0.2,
                changed_at=f"{number} {place}",
            )
            for place in range(random.randrange(40))
        ]
        database.events.add(several)
        clock.advance(random.choice([0, 20, 100]))
        if random.random() < 0.6:
            assert database.events.prelabel_counts(7) == counted_one_by_one(database)

    assert min(counted_one_by_one(database).values()) > 0
    assert database.events.prelabel_counts(8) == dict.fromkeys(PrelabelOutcome, 0)


def counted_one_by_one(database: Database) -> dict[PrelabelOutcome, int]:
    """The same figures from all events, read and merged."""
    counts = dict.fromkeys(PrelabelOutcome, 0)
    for event in database.events.history(7).values():
        if not event.was_cancelled and event.action is not EventAction.DELETED:
            counts[event.prelabel] += 1
    return counts


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1])
def test_ids_of_label_studio_are_kept_up_to_64_bits(database: Database, number: int) -> None:
    event = made(number, project_id=number, task_id=number, parent_prediction=number)

    assert database.events.add([event]) == 1
    assert [dataclasses.replace(each, received_at=None) for each in database.events.history(number).values()] == [event]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("x\udc00\ud83d y", "x\ufffd\ufffd y"),
        ("\U0001f600\x1b", "\U0001f600\x1b"),
    ],
)
def test_characters_that_a_database_refuses_are_replaced(database: Database, sent: str, kept: str) -> None:
    database.events.add([made(1, annotator=sent, model_version=sent, changed_at=sent)])
    found = database.events.last_received(7)

    assert found is not None
    assert (found.annotator, found.model_version, found.changed_at) == (kept, kept, kept)
    assert database.events.add([made(1, changed_at=sent)]) == 0


def test_the_newest_events_are_given_by_annotation_those_whose_beginning_is_older_left_out(database: Database) -> None:
    made = [dataclasses.replace(MADE, annotation_id=n, task_id=n, changed_at=str(n)) for n in range(1, 6)]
    database.events.add([*made, dataclasses.replace(CHANGED, annotation_id=1, task_id=1)])

    everything, none = database.events.newest_by_annotation(7, 6)
    newest, left_out = database.events.newest_by_annotation(7, 3)

    assert ([*everything], [event.action for event in everything[1]]) == ([1, 2, 3, 4, 5], ["created", "updated"])
    assert (none, [*newest], left_out) == (0, [4, 5], 3)


def test_it_is_known_who_labeled_a_task_and_whether_it_has_changed_since(database: Database, clock: FakeClock) -> None:
    others = [
        dataclasses.replace(MADE, annotation_id=32, annotator="1"),
        dataclasses.replace(MADE, annotation_id=33, annotator="3", was_cancelled=True),
        dataclasses.replace(MADE, annotation_id=34, task_id=6),
    ]
    database.events.add([MADE, *others])
    before = clock.now
    clock.advance(60)
    database.events.add([CHANGED])

    assert database.events.annotators(7, [5, 99]) == {5: ["1", "2"]}
    assert [database.events.has_changed(7, task_id, before) for task_id in (5, 6)] == [True, False]
