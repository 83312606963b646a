"""A database file that somebody deletes or replaces under a process that uses it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.errors import DatabaseUnavailable
from ml_backend.storage.database import Database, open_database
from tests.fakes import FakeClock

EVENT = AnnotationEvent(1, EventAction.CREATED, 1)


def replace(file: Path) -> None:
    file.unlink()
    open_database(f"sqlite:///{file}", FakeClock()).close()


def put_a_copy(file: Path) -> None:
    copy = file.with_name("copy.db")
    shutil.copyfile(file, copy)
    copy.replace(file)


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, replace, put_a_copy, lambda file: shutil.rmtree(file.parent)],
)
def test_nothing_is_read_from_or_written_into_a_file_that_is_gone(
    database: Database, file: Path, harm: Callable[[Path], object]
) -> None:
    database.events.add([EVENT])
    harm(file)

    for use in (lambda: database.events.add([EVENT]), database.jobs.running, database.projects.all):
        with pytest.raises(DatabaseUnavailable) as raised:
            use()
        assert not raised.value.is_passing


def test_no_new_file_is_made_where_one_was(database: Database, file: Path) -> None:
    file.unlink()
    database.engine.dispose()  # the next use needs a new connection

    with pytest.raises(DatabaseUnavailable, match=r"is gone since this process opened it.*put it back"):
        database.projects.all()

    assert not file.exists()


def test_a_file_that_was_put_back_is_used_again(database: Database, file: Path) -> None:
    aside = file.with_name("aside.db")
    file.rename(aside)
    with pytest.raises(DatabaseUnavailable):
        database.projects.all()
    aside.rename(file)

    assert database.events.add([EVENT]) == 1
