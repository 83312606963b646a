import dataclasses
from typing import Any

from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.quality import IssueKind
from ml_backend.storage.database import Database
from tests.fakes import FakeClock
from tests.running import at_once

MADE = Flag(
    project_id=7,
    task_id=5,
    kind=IssueKind.LABEL_ERROR,
    given="Billing",
    suggested="Returns",
    quality=0.125,
    is_held_out=False,
    is_decoy=False,
    snapshot_id="00ff",
    probabilities_from="frozen base",
    labeled_at="2026-01-01T11:00:00.123456Z",
    flagged_at=FakeClock()(),
)


def made(task_id: int = 5, **more: Any) -> Flag:
    return dataclasses.replace(MADE, task_id=task_id, **more)


def test_a_flag_is_kept_as_it_was_put(database: Database) -> None:
    database.flags.put(MADE)
    database.flags.put(made(6, suggested=None, is_held_out=True, is_decoy=True))
    first, second = database.flags.open(7)
    assert first == made(id=first.id)
    assert second == made(6, suggested=None, is_held_out=True, is_decoy=True, id=second.id)
    assert database.flags.all(7) == [first, second]
    assert database.flags.open(8) == []


def test_several_labels_are_kept_as_such(database: Database) -> None:
    database.flags.put(made(given=("a", "b"), suggested=()))
    (flag,) = database.flags.open(7)
    assert (flag.given, flag.suggested, flag.answer) == (("a", "b"), (), None)
    database.flags.close(flag, FlagOutcome.CHANGED, ("a",))
    assert database.flags.all(7)[0].answer == ("a",)


def test_an_open_flag_put_again_is_brought_up_to_date_and_keeps_its_times(database: Database, clock: FakeClock) -> None:
    database.flags.put(MADE)
    clock.advance(60)
    later = made(quality=0.5, suggested="Shipping", snapshot_id="11ee", labeled_at="later", flagged_at=clock())
    database.flags.put(later)
    (flag,) = database.flags.all(7)
    assert flag == dataclasses.replace(later, id=flag.id, labeled_at=MADE.labeled_at, flagged_at=MADE.flagged_at)


def test_a_closed_flag_says_how_and_when_and_cannot_be_closed_again(database: Database, clock: FakeClock) -> None:
    database.flags.put(MADE)
    (flag,) = database.flags.open(7)
    clock.advance(60)
    assert database.flags.close(flag, FlagOutcome.CHANGED, "Shipping")
    assert not database.flags.close(flag, FlagOutcome.WITHDRAWN)
    assert database.flags.open(7) == []
    assert database.flags.all(7) == [
        dataclasses.replace(flag, outcome=FlagOutcome.CHANGED, answer="Shipping", decided_at=clock())
    ]


def test_a_task_can_be_flagged_again_once_its_flag_is_closed(database: Database) -> None:
    database.flags.put(MADE)
    database.flags.close(database.flags.open(7)[0], FlagOutcome.CHANGED, "Shipping")
    database.flags.put(made(given="Shipping"))
    assert [flag.outcome for flag in database.flags.all(7)] == [FlagOutcome.CHANGED, FlagOutcome.OPEN]
    assert [flag.given for flag in database.flags.open(7)] == ["Shipping"]


def test_open_flags_are_found_among_tasks(database: Database) -> None:
    for task_id in (1, 2, 3):
        database.flags.put(made(task_id))
    database.flags.put(made(4, project_id=8))
    database.flags.close(database.flags.open(7)[1], FlagOutcome.WITHDRAWN)
    assert database.flags.flagged(7, range(2000)) == {1, 3}
    assert database.flags.flagged(7, [2, 4]) == set()
    assert database.flags.flagged(7, []) == set()


def test_simultaneous_flags_of_a_task_are_one(database: Database) -> None:
    at_once(4, lambda number: database.flags.put(made(quality=number / 10)))
    assert len(database.flags.all(7)) == 1
