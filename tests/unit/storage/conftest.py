"""A SQLite database in a file, and an open one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "labelloop.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url, FakeClock())) as database:
        yield database
