"""The records of versions in the state."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_backend.domain.model import Method, ModelVersion, PromotionState
from ml_backend.errors import ModelNotFound
from ml_backend.storage.database import Database


def version(number: int, key: str = "tickets-1") -> ModelVersion:
    return ModelVersion(
        name=ModelVersion.name_of(key, number),
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

    newest = replace(version(2), is_challenger=True)
    assert database.versions.find("tickets-1-v2") == newest
    assert database.versions.all("tickets-1") == [newest, version(1)]


@pytest.mark.parametrize("name", ["tickets-1-v3", "tickets-1", "tickets-2-v1", "tickets-1-vx", ""])
def test_an_unknown_name_finds_nothing(database: Database, name: str) -> None:
    database.versions.add([version(1)])

    assert database.versions.find(name) is None


def test_a_version_is_written_once(database: Database) -> None:
    database.versions.add([version(1)])
    database.versions.add([version(1), version(2)])
    database.versions.add([])

    assert len(database.versions.all("tickets-1")) == 2


def test_projects_are_kept_apart(database: Database) -> None:
    database.versions.add([version(1), version(7), version(2, "other-2")])
    database.versions.serve("other-2", "other-2-v2")

    assert database.versions.project_keys() == ["other-2", "tickets-1"]
    assert database.versions.champions() == {"other-2": "other-2-v2"}
    assert database.versions.served("tickets-1") == []


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
def test_what_served_is_listed_without_what_was_rolled_back(
    database: Database, promoted: list[int], served: list[str]
) -> None:
    database.versions.add([version(1), version(2), version(3), version(9, "other-2")])
    database.versions.serve("other-2", "other-2-v9")
    for number in promoted:
        database.versions.serve("tickets-1", version(number).name)

    found = database.versions.served("tickets-1")
    assert names(found) == served
    assert [each.is_champion for each in found] == [number == 0 for number in range(len(found))]


def test_back_at_the_cold_start_nothing_is_left_to_go_back_to(database: Database) -> None:
    database.versions.add([version(1), version(2), version(1, "other-2")])
    for number in (1, 2):
        database.versions.serve("tickets-1", version(number).name)
    database.versions.serve("other-2", "other-2-v1")

    database.versions.serve("tickets-1", ModelVersion.cold_start_name("tickets-1", "00ff"))

    assert (database.versions.served("tickets-1"), len(database.versions.served("other-2"))) == ([], 1)


def test_a_promotion_and_what_serves_change_together_or_not_at_all(database: Database) -> None:
    database.versions.add([version(1)])
    begun = [
        database.promotions.begin(project, name, previous="cold", reason="r", is_forced=False)
        for project, name in ((1, "tickets-1-v1"), (2, "tickets-1-v2"))
    ]
    pushed = [database.promotions.advance(each, PromotionState.PUSHED) for each in begun]

    committed = database.promotions.commit(pushed[0], "tickets-1")
    with pytest.raises(ModelNotFound):
        database.promotions.commit(pushed[1], "tickets-1")

    assert (committed.state, database.promotions.get(pushed[1].id).state) == (
        PromotionState.COMMITTED,
        PromotionState.PUSHED,
    )
    assert names(database.versions.served("tickets-1")) == ["v1"]


def test_what_mlflow_knows_is_copied_once_and_decides_only_where_the_rows_do_not(database: Database) -> None:
    database.versions.add([version(1), version(2)])
    database.versions.serve("tickets-1", "tickets-1-v1")
    known = [replace(version(number), is_champion=number == 3) for number in (1, 2, 3)]
    other = replace(version(4, "other-2"), is_champion=True)

    assert not database.versions.are_complete()
    database.versions.complete([*known, other])
    database.versions.complete([replace(version(5, "late-3"), is_champion=True)])

    assert database.versions.are_complete()
    assert database.versions.champions() == {"tickets-1": "tickets-1-v1", "other-2": "other-2-v4"}
    assert [each.number for each in database.versions.all("tickets-1")] == [3, 2, 1]
    assert database.versions.all("late-3") == []
