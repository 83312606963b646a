"""The same tests of jobs on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.storage import open_database
from ml_backend.workflows.services import Services
from tests.databases import empty_tables
from tests.fakes import FakeClock
from tests.services import build_test_services

MakeServices = Callable[..., Services]


@pytest.fixture
def make_services(database_url: str, tmp_path: Path) -> Iterator[MakeServices]:
    """Makes services over an empty database; takes what `build_test_services` takes."""
    made: list[Services] = []
    first = open_database(database_url, FakeClock())
    empty_tables(first.engine)
    first.close()

    def make(**options: Any) -> Services:
        made.append(build_test_services(tmp_path, database_url=database_url, **options))
        return made[-1]

    yield make
    for services in made:
        services.database.close()


@pytest.fixture
def services(make_services: MakeServices) -> Services:
    return make_services()
