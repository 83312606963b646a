"""The same tests on SQLite and on PostgreSQL, and what befalls a database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text

from ml_backend.storage.database import Database

__all__ = ["database_url", "driver_of", "empty_tables", "locked", "rows_in"]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLAlchemy URL of a database that all tests of the run share, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('storage') / 'labelloop.db'}"
    return str(request.getfixturevalue("postgres_url"))


def empty_tables(engine: Engine) -> None:
    """Delete all rows; the next ones are numbered from 1 again."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            names = ", ".join(table.name for table in Database.METADATA.sorted_tables)
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        else:
            for table in Database.METADATA.sorted_tables:
                connection.execute(table.delete())


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another connection holds the lock for writing to a SQLite database."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


def driver_of(database: Database) -> Any:
    """The driver's connection that the pool gives to the only thread of a test."""
    with database.engine.connect() as connection:
        return connection.connection.driver_connection


def rows_in(connection: Connection) -> dict[str, list[Any]]:
    """Every row of every table of ours."""
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in Database.METADATA.sorted_tables
    }
