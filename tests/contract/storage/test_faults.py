"""A real database that is locked, away, full, not to be written, or damaged."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.errors import DatabaseUnavailable
from ml_backend.storage.database import Database, open_database
from tests.databases import driver_of, locked
from tests.fakes import FakeClock
from tests.postgres import StoppablePostgres

EVENT = AnnotationEvent(1, EventAction.CREATED, 1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'labelloop.db'}"
    with closing(open_database(url, FakeClock(), busy_timeout_ms=50)) as database:
        yield database


def limit_pages(database: Database) -> None:
    """Simulate a full disk by a file that cannot grow."""
    driver = driver_of(database)
    (pages,) = driver.execute("PRAGMA page_count").fetchone()
    driver.execute(f"PRAGMA max_page_count = {pages}")


def fill(database: Database) -> None:
    for start in range(0, 100_000, 500):
        database.events.add([AnnotationEvent(1, EventAction.CREATED, start + number) for number in range(500)])


def test_a_locked_database_is_unavailable_in_passing(database: Database, tmp_path: Path) -> None:
    with locked(tmp_path / "labelloop.db"), pytest.raises(DatabaseUnavailable, match=r"locked.*try again") as raised:
        database.events.add([EVENT])

    assert raised.value.is_passing
    assert database.events.add([EVENT]) == 1


def test_a_full_database_is_unavailable_until_somebody_makes_room(database: Database) -> None:
    limit_pages(database)

    with pytest.raises(DatabaseUnavailable, match=r"full.*make room") as raised:
        fill(database)

    assert not raised.value.is_passing


def test_a_database_that_cannot_be_written_is_unavailable(database: Database) -> None:
    driver_of(database).execute("PRAGMA query_only = ON")

    with pytest.raises(DatabaseUnavailable, match=r"readonly.*writable") as raised:
        database.events.add([EVENT])

    assert not raised.value.is_passing


def test_a_damaged_database_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "labelloop.db"
    file.write_bytes(b"this is no database at all" * 100)

    with pytest.raises(DatabaseUnavailable, match=r"file is not a database.*restore a backup") as raised:
        open_database(f"sqlite:///{file}", FakeClock())

    assert not raised.value.is_passing


def test_a_statement_that_is_wrong_is_no_fault_of_the_database(database: Database) -> None:
    with database.engine.connect() as connection, pytest.raises(SQLAlchemyError, match="no such table"):
        connection.execute(text("SELECT * FROM unheard_of"))
    with database.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO snapshots (project_id) VALUES (NULL)"))


def test_a_postgresql_that_is_stopped_is_unavailable_in_passing_and_used_again_once_it_is_back(
    stoppable_postgres: StoppablePostgres,
) -> None:
    with closing(open_database(stoppable_postgres.url, FakeClock())) as database:
        assert database.events.last_id(1) == 0
        stoppable_postgres.stop()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match="look at its server") as raised:
                database.events.add([EVENT])
            assert raised.value.is_passing
        stoppable_postgres.start()

        assert database.events.add([EVENT]) == 1


def test_a_lock_that_postgresql_waits_for_too_long_is_a_passing_fault(stoppable_postgres: StoppablePostgres) -> None:
    with closing(open_database(stoppable_postgres.url, FakeClock())) as database:
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with database.engine.begin() as connection:
                connection.execute(text("LOCK TABLE annotation_events"))
                held.set()
                done.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        with database.engine.connect() as connection:
            connection.execute(text("SET lock_timeout = 50"))
            with pytest.raises(DatabaseUnavailable) as raised:
                connection.execute(text("LOCK TABLE annotation_events"))
        done.set()
        holder.join(10)

    assert raised.value.is_passing


@pytest.mark.parametrize("user", ["nobody", "ada"])
def test_a_server_that_refuses_the_settings_is_no_passing_fault(
    stoppable_postgres: StoppablePostgres, user: str
) -> None:
    started = time.monotonic()

    with pytest.raises(Exception, match="does not exist") as raised:
        open_database(stoppable_postgres.url.replace("labelloop@", f"{user}@"), FakeClock())

    assert not getattr(raised.value, "is_passing", False)
    assert time.monotonic() - started < 5
