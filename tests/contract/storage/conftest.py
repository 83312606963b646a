"""The same database tests on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from ml_backend.storage import Database, open_database
from ml_backend.storage.tables import metadata
from tests.fakes import FakeClock


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('storage') / 'labelloop.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(database_url: str, clock: FakeClock) -> Iterator[Database]:
    """A database with empty tables."""
    opened = open_database(database_url, clock)
    with opened.engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    yield opened
    opened.close()
