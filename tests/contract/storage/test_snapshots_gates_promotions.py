from datetime import timedelta

import pytest

from ml_backend.domain.model import GateDecision, Promotion, PromotionState
from ml_backend.errors import PromotionError
from ml_backend.storage.database import Database
from ml_backend.storage.repositories.snapshots import SnapshotRecord
from tests.fakes import FakeClock

DECISION = GateDecision(
    promote=True,
    is_provisional=True,
    reason="0.84 against 0.78 – better",
    rows=80,
    champion="tickets-7-cold-start-abcabcabcabc",
    challenger="tickets-7-v1",
    champion_score=0.78,
    challenger_score=0.84,
    difference=0.06,
    lower_bound=None,
    confidence=0.95,
    earlier_gates=1,
    warnings=("small test set", "unknown selection"),
    metric="mean of macro-F1 of topic, strict F1 of people",
)


def begin(database: Database, version: str = "tickets-7-v2", project_id: int = 7) -> Promotion:
    return database.promotions.begin(project_id, version, previous="tickets-7-v1", reason="better", is_forced=False)


def test_the_newest_snapshot_is_the_last_one_added(database: Database, clock: FakeClock) -> None:
    assert database.snapshots.last(7) is None
    for snapshot_id, last_event_id in (("ff00", 3), ("00ff", 9)):
        clock.advance(1)
        database.snapshots.add(7, snapshot_id, last_event_id)
    database.snapshots.add(8, "8888", 1)
    assert database.snapshots.last(7) == SnapshotRecord("00ff", 9, clock())


def test_a_snapshot_is_as_old_as_the_reading_of_its_rows(database: Database, clock: FakeClock) -> None:
    begun_at = clock()
    clock.advance(300)
    database.snapshots.add(7, "00ff", 9, begun_at)
    assert database.snapshots.last(7) == SnapshotRecord("00ff", 9, begun_at)


@pytest.mark.parametrize(
    ("added", "seconds"),
    [([("aaaa", 9), ("bbbb", 3)], 0), ([("aaaa", 3), ("bbbb", 5), ("aaaa", 9)], 1)],
    ids=["of the same moment the one with more events", "one that comes up again"],
)
def test_which_snapshot_is_newer(
    database: Database, clock: FakeClock, added: list[tuple[str, int]], seconds: int
) -> None:
    for snapshot_id, last_event_id in added:
        clock.advance(seconds)
        database.snapshots.add(7, snapshot_id, last_event_id)
    assert database.snapshots.last(7) == SnapshotRecord("aaaa", 9, clock())
    assert [record.id for record in database.snapshots.page(7, limit=1)] == ["aaaa"]
    rest = database.snapshots.page(7, limit=9, offset=1)
    assert len(rest) == database.snapshots.count(7) - 1 > 0
    assert "aaaa" not in {record.id for record in rest}
    assert (database.snapshots.count(99), database.snapshots.page(99, limit=9)) == (0, [])


def test_gates_are_kept_whole_and_counted_per_project(database: Database) -> None:
    assert (database.gates.count("tickets-7"), database.gates.last("tickets-7")) == (0, None)
    database.gates.add("tickets-7", "00ff", DECISION)
    database.gates.add("tickets-70", "00ff", DECISION)
    assert database.gates.count("tickets-7") == 1
    assert database.gates.last("tickets-7") == DECISION


def test_the_evidence_of_gates_is_kept_in_order_where_there_is_some(database: Database) -> None:
    for key, evidence in (("tickets-7", b"1\0\xff"), ("tickets-7", None), ("tickets-70", b"2"), ("tickets-7", b"3")):
        database.gates.add(key, "00ff", DECISION, evidence)

    assert database.gates.evidence("tickets-7") == [b"1\0\xff", b"3"]


def test_a_promotion_is_kept_from_intent_to_end(database: Database, clock: FakeClock) -> None:
    started = clock()
    promotion = begin(database)
    assert promotion == Promotion(
        id=promotion.id,
        project_id=7,
        version="tickets-7-v2",
        previous="tickets-7-v1",
        state=PromotionState.INTENT,
        reason="better",
        is_forced=False,
        created_at=started,
        updated_at=started,
    )
    for state in (PromotionState.PUSHED, PromotionState.COMMITTED, PromotionState.DONE):
        clock.advance(1)
        promotion = database.promotions.advance(promotion, state)
        assert (promotion.state, promotion.created_at, promotion.updated_at) == (state, started, clock())
        assert promotion.updated_at.utcoffset() == timedelta(0)
        assert database.promotions.open(7) == (promotion if state.is_open else None)


def test_one_promotion_at_a_time_is_open_in_a_project(database: Database) -> None:
    first, elsewhere = begin(database), begin(database, "mails-8-v1", 8)
    with pytest.raises(PromotionError, match="tickets-7-v2 is being promoted in project 7"):
        begin(database, "tickets-7-v3")
    assert database.promotions.all_open() == [first, elsewhere]
    assert database.promotions.history(7) == [first]


@pytest.mark.parametrize("state", [PromotionState.DONE, PromotionState.ABANDONED])
def test_after_a_promotion_is_over_the_next_may_begin(database: Database, state: PromotionState) -> None:
    first = database.promotions.advance(begin(database), state)
    second = begin(database, "tickets-7-v3")
    assert database.promotions.history(7) == [second, first]
    assert database.promotions.all_open() == [second]
