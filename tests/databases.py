"""The same tests on SQLite and on PostgreSQL."""

import pytest
from sqlalchemy import Engine, text

from ml_backend.storage.database import Database

__all__ = ["database_url", "empty_tables"]


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
