from dataclasses import replace

from ml_backend.domain.example import SelectedBy
from ml_backend.domain.selection import SelectedTask
from ml_backend.storage.database import Database
from tests.fakes import FakeClock

FIRST = SelectedTask(5, "margin", "it wavers", 1.0, SelectedBy.ACTIVE)
SECOND = SelectedTask(6, "random", "drawn at random", 0.5, SelectedBy.RANDOM)


def test_a_list_is_kept_in_its_order_per_project(database: Database) -> None:
    database.selections.put(7, [SECOND, FIRST])
    assert database.selections.listed(7) == [FIRST, SECOND]
    assert database.selections.listed(8) == []
    assert database.selections.ways(7, [5, 6, 9]) == {5: SelectedBy.ACTIVE, 6: SelectedBy.RANDOM}


def test_a_task_put_again_keeps_its_time_and_says_what_holds_now(database: Database, clock: FakeClock) -> None:
    database.selections.put(7, [FIRST])
    listed_at = database.selections.listed_since(7)
    clock.advance(60)
    database.selections.put(7, [replace(FIRST, priority=0.25, reason="still wavers")])
    assert database.selections.listed(7) == [replace(FIRST, priority=0.25, reason="still wavers")]
    assert database.selections.listed_since(7) == listed_at


def test_what_left_the_list_can_come_back(database: Database) -> None:
    database.selections.put(7, [FIRST, SECOND])
    database.selections.end(7, [5])
    assert database.selections.listed(7) == [SECOND]
    assert database.selections.ways(7, [5]) == {}
    database.selections.put(7, [FIRST])
    assert database.selections.listed(7) == [FIRST, SECOND]
    database.selections.end(7, [5, 6])
    assert database.selections.listed_since(7) is None


def test_the_last_strategy_that_chose_a_task_is_known_ever_after(database: Database) -> None:
    database.selections.put(7, [FIRST, SECOND])
    database.selections.end(7, [5, 6])
    database.selections.put(7, [replace(FIRST, strategy="rare")])
    assert database.selections.strategies(7) == {5: "rare", 6: "random"}
    assert database.selections.strategies(8) == {}
