import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ml_backend.errors import StateError
from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock

REPOSITORY = Path(__file__).resolve().parents[3]
USE = """
import sys
from datetime import UTC, datetime
from ml_backend.storage.database import open_database

database = open_database(sys.argv[1], lambda: datetime.now(UTC))
with database.alone() if sys.argv[2] == "alone" else database.engine.connect():
    print("here", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(url: str, *, how: str = "beside") -> Iterator["subprocess.Popen[str]"]:
    """A process that has the database open until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", USE, url, how], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    yield process
    process.communicate(timeout=30)


def nobody_else_uses(database: Database) -> bool:
    with database.alone():
        return True


def test_nobody_is_alone_while_another_process_has_the_database_open(url: str, database: Database) -> None:
    with other_process(url), pytest.raises(StateError, match=r"another process uses .*labelloop\.db; stop"):
        nobody_else_uses(database)
    assert nobody_else_uses(database)


def test_a_process_that_was_killed_does_not_use_the_database_any_more(url: str, database: Database) -> None:
    with other_process(url) as process:
        process.kill()
        process.wait()
        assert nobody_else_uses(database)


def test_nobody_opens_a_database_that_is_being_moved_and_everybody_afterwards(url: str) -> None:
    with other_process(url, how="alone"), pytest.raises(StateError, match="is being moved by another process"):
        open_database(url, FakeClock())
    open_database(url, FakeClock()).close()


def test_being_alone_for_a_while_does_not_end_ones_own_use(url: str, database: Database) -> None:
    assert nobody_else_uses(database)
    with closing(open_database(url, FakeClock())) as second:
        with pytest.raises(StateError, match="another process uses"):
            nobody_else_uses(second)
        database.close()
        assert nobody_else_uses(second)


def test_a_child_process_does_not_inherit_the_use(url: str, database: Database) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        database.close()
        with closing(open_database(url, FakeClock())) as again:
            assert nobody_else_uses(again)
        child.communicate(b"\n")


def test_a_forked_process_keeps_the_use_and_does_not_end_that_of_its_parent(url: str, database: Database) -> None:
    if (child := os.fork()) == 0:
        database.close()
        os._exit(0)
    os.waitpid(child, 0)
    with (
        closing(open_database(url, FakeClock())) as other,
        pytest.raises(StateError, match="another process uses"),
    ):
        nobody_else_uses(other)


def test_a_database_that_nobody_closed_is_not_used_once_it_is_gone(url: str) -> None:
    forgotten = open_database(url, FakeClock())
    forgotten.engine.dispose()
    del forgotten
    gc.collect()
    with closing(open_database(url, FakeClock())) as database:
        assert nobody_else_uses(database)


def test_where_nothing_can_be_locked_work_goes_on_with_a_warning_and_nobody_is_alone(
    url: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.with_name("labelloop.db.use").mkdir(parents=True)
    with closing(open_database(url, FakeClock())) as database:
        database.snapshots.add(7, "00ff", 3)
        assert "cannot be locked (Is a directory)" in caplog.text
        with pytest.raises(StateError, match="nobody can say whether another process uses"):
            nobody_else_uses(database)


def test_a_database_in_memory_is_nobody_elses() -> None:
    with closing(open_database("sqlite://", FakeClock())) as database:
        assert database.use is None
        assert nobody_else_uses(database)
