"""A registry whose versions outlive MLflow's database."""

from pathlib import Path

import pytest

from ml_backend.domain.model import ModelVersion
from ml_backend.domain.ports import ModelRegistry
from ml_backend.errors import ModelNotFound, TrackingError
from ml_backend.serving.alarms import AlarmKind
from ml_backend.serving.durable_registry import DurableRegistry
from ml_backend.workflows.services import Services
from tests.fakes import FakeRegistry, register_version
from tests.services import build_test_services

KEY = "tickets-1"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


def over(services: Services, registry: ModelRegistry) -> DurableRegistry:
    return DurableRegistry(registry, services.database.versions, services.options.home, services.alarms)


def with_files(version: ModelVersion) -> ModelVersion:
    version.path.mkdir(parents=True)
    return version


def after_loss(services: Services, promoted: int = 2, registered: int = 3) -> DurableRegistry:
    """The registry of a project whose versions were registered and promoted, before MLflow's database was deleted."""
    before = over(services, FakeRegistry(services.options.home / "artifacts"))
    for number in range(1, registered + 1):
        version = with_files(register_version(before, KEY, run_id=f"run-{number}"))
        if number <= promoted:
            before.set_champion(version.name)
    return over(services, FakeRegistry(services.options.home / "artifacts"))


def test_nothing_is_different_where_nothing_is_lost(services: Services) -> None:
    inner = FakeRegistry(services.options.home / "artifacts")
    registry = over(services, inner)

    version = register_version(registry, KEY)
    registry.set_champion(version.name)

    assert registry.champion(KEY) == inner.champion(KEY)
    assert list(registry.versions(KEY)) == inner.versions(KEY)
    assert registry.next_number(KEY) == 2
    assert services.alarms.sentences() == []


def test_the_champion_outlives_the_registry_and_an_alarm_says_so(services: Services) -> None:
    registry = after_loss(services)

    champion = registry.champion(KEY)

    assert champion is not None
    assert (champion.name, champion.path.is_dir()) == ("tickets-1-v2", True)
    assert "tickets-1-v2 goes on serving" in (services.alarms.about(AlarmKind.REGISTRY, KEY) or "")
    assert [version.name for version in registry.earlier(KEY)] == ["tickets-1-v1"]


@pytest.mark.parametrize("registered", [1, 3, 7])
def test_a_name_is_never_given_twice(services: Services, registered: int) -> None:
    registry = after_loss(services, 1, registered)

    number = registry.next_number(KEY)
    version = register_version(registry, KEY, run_id="run-new")

    assert (number, version.name) == (registered + 1, f"tickets-1-v{registered + 1}")


def test_lost_versions_are_listed_and_found_as_long_as_their_files_are_there(services: Services) -> None:
    registry = after_loss(services)
    registry.get("tickets-1-v1").path.rmdir()
    with_files(register_version(registry, KEY, run_id="run-new"))

    assert [(version.name, version.is_champion) for version in registry.versions(KEY)] == [
        ("tickets-1-v4", False),
        ("tickets-1-v3", False),
        ("tickets-1-v2", True),
    ]
    assert registry.project_keys() == [KEY]
    with pytest.raises(ModelNotFound):
        registry.get("tickets-1-v1")


def test_the_next_promotion_ends_the_alarm(services: Services) -> None:
    registry = after_loss(services)
    registry.champion(KEY)
    version = with_files(register_version(registry, KEY, run_id="run-new"))

    registry.set_champion(version.name)

    assert (registry.champion(KEY), services.alarms.sentences()) == (registry.get(version.name), [])


def test_a_lost_version_can_be_gone_back_to(services: Services) -> None:
    registry = after_loss(services)
    new = with_files(register_version(registry, KEY, run_id="run-new"))
    registry.set_champion(new.name)

    registry.set_champion("tickets-1-v1")

    champion = registry.champion(KEY)
    assert champion is not None
    assert champion.name == "tickets-1-v1"
    assert registry.earlier(KEY) == []


def test_after_a_rollback_to_the_cold_start_none_comes_back(services: Services) -> None:
    before = over(services, FakeRegistry(services.options.home / "artifacts"))
    before.set_champion(with_files(register_version(before, KEY)).name)
    before.clear_champion(KEY)

    registry = over(services, FakeRegistry(services.options.home / "artifacts"))

    assert (registry.champion(KEY), services.alarms.sentences()) == (None, [])


class Away(FakeRegistry):
    """MLflow while nobody answers there."""

    def champion(self, project_key: str) -> ModelVersion | None:
        raise TrackingError(f"nobody answers for {project_key}", is_passing=True)

    def get(self, version: str) -> ModelVersion:
        raise TrackingError(f"nobody answers for {version}", is_passing=True)


def test_a_process_that_starts_while_mlflow_is_away_serves_what_served(services: Services) -> None:
    after_loss(services)
    registry = over(services, Away(services.options.home / "artifacts"))

    champion = registry.champion(KEY)

    assert champion is not None
    assert champion.name == registry.get("tickets-1-v2").name == "tickets-1-v2"
    assert "nobody answers" in services.alarms.sentences()[0]
    with pytest.raises(TrackingError):
        registry.champion("other-2")


def test_a_registry_from_an_older_backup_does_not_roll_back(services: Services) -> None:
    inner = FakeRegistry(services.options.home / "artifacts")
    registry = over(services, inner)
    for number in (1, 2):
        registry.set_champion(with_files(register_version(registry, KEY, run_id=f"run-{number}")).name)
    older = FakeRegistry(services.options.home / "artifacts")
    register_version(older, KEY, run_id="run-1")
    older.set_champion("tickets-1-v1")

    champion = over(services, older).champion(KEY)

    assert champion is not None
    assert champion.name == "tickets-1-v2"
    assert "MLflow names tickets-1-v1" in services.alarms.sentences()[0]
    assert len(services.database.versions.served(KEY)) == 2


def test_an_alias_that_somebody_moved_is_followed_and_remembered(services: Services) -> None:
    inner = FakeRegistry(services.options.home / "artifacts")
    registry = over(services, inner)
    for number in (1, 2):
        with_files(register_version(registry, KEY, run_id=f"run-{number}"))
    inner.set_champion("tickets-1-v2")

    assert registry.champion(KEY) == inner.champion(KEY)
    assert [version.name for version in services.database.versions.served(KEY)] == ["tickets-1-v2"]


def test_versions_of_an_earlier_release_are_remembered_when_the_next_one_is_made(services: Services) -> None:
    inner = FakeRegistry(services.options.home / "artifacts")
    for number in range(1, 4):
        register_version(inner, KEY, run_id=f"run-{number}")

    over(services, inner).next_number(KEY)

    assert over(services, FakeRegistry(services.options.home)).next_number(KEY) == 4


def test_the_home_folder_may_be_moved(services: Services, tmp_path: Path) -> None:
    after_loss(services)
    versions = services.database.versions.served(KEY)
    services.options.home.rename(tmp_path / "elsewhere")

    moved = [tmp_path / "elsewhere" / version.path for version in versions]

    assert len(moved) == 2
    assert all(path.is_dir() for path in moved)
