"""The records of versions in the state."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_backend.domain.model import Method, ModelVersion, version_name
from ml_backend.storage import Database, open_database
from tests.databases import empty_tables
from tests.fakes import FakeClock


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(open_database(database_url, FakeClock())) as database:
        empty_tables(database.engine)
        yield database


def version(number: int, key: str = "tickets-1") -> ModelVersion:
    return ModelVersion(
        name=version_name(key, number),
        number=number,
        project_key=key,
        method=Method.LORA,
        snapshot_id="00ff",
        path=Path(f"artifacts/run-{number}/bundle"),
        run_id=f"run-{number}",
        label_config_fingerprint="0123456789ab",
        created_at=datetime(2026, 1, number, tzinfo=UTC),
        metrics={"test_macro_f1": 0.5 + number / 10},
    )


def names(versions: list[ModelVersion]) -> list[str]:
    return [each.name.removeprefix("tickets-1-") for each in versions]


def test_a_version_comes_back_as_it_was(database: Database) -> None:
    database.versions.add([version(1), version(2)])

    assert database.versions.find("tickets-1-v2") == version(2)
    assert database.versions.all("tickets-1") == [version(2), version(1)]


@pytest.mark.parametrize("name", ["tickets-1-v3", "tickets-1", "tickets-2-v1", "tickets-1-vx", ""])
def test_an_unknown_name_finds_nothing(database: Database, name: str) -> None:
    database.versions.add([version(1)])

    assert database.versions.find(name) is None


def test_a_version_is_written_once(database: Database) -> None:
    database.versions.add([version(1)])
    database.versions.add([version(1), version(2)])
    database.versions.add([])

    assert len(database.versions.all("tickets-1")) == 2


def test_numbers_are_counted_per_project(database: Database) -> None:
    database.versions.add([version(1), version(7), version(2, "other-2")])

    assert [database.versions.last_number(key) for key in ("tickets-1", "other-2", "new-3")] == [7, 2, 0]
    assert sorted(database.versions.project_keys()) == ["other-2", "tickets-1"]


@pytest.mark.parametrize(
    ("promoted", "served"),
    [
        ([], []),
        ([1], ["v1"]),
        ([1, 2, 3], ["v3", "v2", "v1"]),
        ([1, 2, 1], ["v1"]),
        ([1, 2, 3, 2], ["v2", "v1"]),
        ([1, 2, 1, 3], ["v3", "v1"]),
        ([3, 1], ["v1", "v3"]),
        ([1, 1, 2, 2], ["v2", "v1"]),
    ],
)
def test_what_served_is_told_with_rollbacks_undone(database: Database, promoted: list[int], served: list[str]) -> None:
    database.versions.serve(version(9, "other-2"))
    for number in promoted:
        database.versions.serve(version(number))

    assert names(database.versions.served("tickets-1")) == served


def test_back_at_the_cold_start_nothing_is_left_to_go_back_to(database: Database) -> None:
    for number in (1, 2):
        database.versions.serve(version(number))
    database.versions.serve(version(1, "other-2"))

    database.versions.serve_none("tickets-1")

    assert (database.versions.served("tickets-1"), len(database.versions.served("other-2"))) == ([], 1)
    assert database.versions.last_number("tickets-1") == 2
