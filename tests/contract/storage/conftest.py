"""The same database tests on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from ml_backend.storage.database import Database, open_database
from tests.databases import empty_tables
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(database_url: str, clock: FakeClock) -> Iterator[Database]:
    """A database with empty tables."""
    opened = open_database(database_url, clock)
    empty_tables(opened.engine)
    yield opened
    opened.close()
