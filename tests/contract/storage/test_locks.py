"""Locks by name: one holder at a time, and none that outlives its holder."""

import signal
import subprocess
import sys

import pytest
from sqlalchemy import text

from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock
from tests.running import until

HOLD = """
import sys, time
from datetime import UTC, datetime
from ml_backend.storage.database import open_database

with open_database(sys.argv[1], lambda: datetime.now(UTC)).locks.attempt("promotion-7") as is_free:
    print(is_free, flush=True)
    time.sleep(60)
"""


def test_a_lock_has_one_holder_and_is_free_afterwards(database: Database, database_url: str) -> None:
    other = open_database(database_url, FakeClock())
    try:
        with database.locks.attempt("promotion-7") as mine:
            with other.locks.attempt("promotion-7") as theirs, database.locks.attempt("promotion-7") as again:
                assert (mine, theirs, again) == (True, False, False)
            with other.locks.attempt("promotion-8") as is_free:
                assert is_free
        with other.locks.attempt("promotion-7") as is_free:
            assert is_free
    finally:
        other.close()


def test_a_lock_is_given_back_where_the_block_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.locks.attempt("promotion-7"):
        raise ZeroDivisionError
    with database.locks.attempt("promotion-7") as is_free:
        assert is_free


def test_a_lock_goes_with_the_process_that_held_it(database: Database, database_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, database_url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with database.locks.attempt("promotion-7") as is_free:
            assert not is_free
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)

    def is_free() -> bool:
        with database.locks.attempt("promotion-7") as free:
            return free

    until(
        is_free, "the release of a killed process's lock"
    )  # PostgreSQL notices a moment later that its client is gone


def test_postgresql_ends_sessions_whose_machine_is_lost(postgres_url: str) -> None:
    database = open_database(postgres_url, FakeClock())
    with database.engine.connect() as connection:
        asked = [connection.execute(text(f"SHOW tcp_keepalives_{name}")).scalar() for name in ("idle", "interval")]
        connection.rollback()
        assert asked == ["30", "10"]
    database.close()
