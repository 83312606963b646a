import pytest

from ml_backend.domain.event import HintKind
from ml_backend.storage.database import Database
from tests.fakes import FakeClock


@pytest.mark.parametrize("kind", HintKind)
def test_a_hint_is_one_however_often_it_is_told(database: Database, clock: FakeClock, kind: HintKind) -> None:
    assert database.hints.find(7, kind) is None
    for _ in range(3):
        clock.advance(1)
        database.hints.put(7, kind)

    assert database.hints.find(7, kind) == clock()
    assert database.hints.find(8, kind) is None
    assert [database.hints.find(7, other) for other in HintKind if other is not kind] == [None]


def test_a_hint_is_settled_unless_it_was_told_again(database: Database, clock: FakeClock) -> None:
    database.hints.put(7, HintKind.TASKS)
    database.hints.put(7, HintKind.SETTINGS)
    asked = database.hints.find(7, HintKind.TASKS)
    assert asked is not None
    clock.advance(1)
    database.hints.put(7, HintKind.TASKS)

    database.hints.settle(7, HintKind.TASKS, asked)
    again = database.hints.find(7, HintKind.TASKS)
    assert again == clock()
    database.hints.settle(7, HintKind.TASKS, again)

    assert database.hints.find(7, HintKind.TASKS) is None
    assert database.hints.find(7, HintKind.SETTINGS) is not None
