import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from ml_backend.errors import ConfigurationError, DatabaseUnavailable
from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock


def test_sqlite_lets_readers_and_a_writer_work_side_by_side_and_waits_for_locks(database: Database) -> None:
    with database.engine.connect() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "busy_timeout")]
    assert pragmas == ["wal", 5000]


def test_a_reader_does_not_wait_for_a_writer_and_another_writer_does(database: Database) -> None:
    database.snapshots.add(7, "00ff", 3)
    with database.engine.begin() as writing:
        writing.execute(text("DELETE FROM snapshots"))
        assert database.snapshots.last(7) is not None
        second = threading.Thread(target=database.snapshots.add, args=(8, "00ff", 3))
        second.start()
        second.join(0.2)
        assert second.is_alive()
    assert database.snapshots.last(7) is None
    second.join(10)
    assert database.snapshots.last(8) is not None


def test_a_clock_of_another_zone_is_stored_in_utc(url: str) -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with closing(open_database(url, lambda: noon)) as database:
        job, _ = database.jobs.request("train", 7, {}, dedupe_key="a")
        with database.engine.connect() as connection:
            stored = connection.execute(text("SELECT created_at FROM jobs")).scalar()
    assert job.created_at == datetime(2026, 7, 1, 6, 30, tzinfo=UTC)
    assert stored == "2026-07-01 06:30:00.000000"


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite:////proc/labelloop/labelloop.db", "oracle+nodriver://host/db"],
)
def test_a_database_that_cannot_be_opened_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LABELLOOP_DATABASE_URL"):
        open_database(url, FakeClock())


def test_a_database_that_does_not_answer_is_unavailable_for_a_while_and_its_password_does_not_show() -> None:
    with pytest.raises(DatabaseUnavailable, match="LABELLOOP_DATABASE_URL") as raised:
        open_database("postgresql+psycopg://ada:secret@127.0.0.1:1/db", FakeClock())
    assert raised.value.is_passing
    assert "secret" not in str(raised.value)
