"""Which versions there are and which one serves, whatever became of MLflow's record of them."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from ml_backend.domain.model import ModelVersion
from ml_backend.errors import BundleError, ModelNotFound, TrackingError
from ml_backend.serving.model_versions import ModelVersions
from ml_backend.storage.database import Database
from ml_backend.workflows.services import Services
from tests.fakes import FakeRegistry, register_version
from tests.services import build_test_services

KEY = "tickets-1"


class Away(FakeRegistry):
    """MLflow while nobody answers there."""

    def project_keys(self) -> list[str]:
        raise TrackingError("nobody answers", is_passing=True)


class Installation:
    """A home folder with a database, and MLflow's record, which may be lost and replaced."""

    def __init__(self, services: Services) -> None:
        self.home = services.options.home
        self.database: Database = services.database
        self.mlflow = FakeRegistry(self.home / "artifacts")

    @property
    def versions(self) -> ModelVersions:
        """What a process that starts now is given."""
        return ModelVersions(self.database.versions, self.mlflow, self.home)

    def register(self, number: int) -> ModelVersion:
        bundle = self.home / "artifacts" / f"run-{number}" / "bundle"
        bundle.mkdir(parents=True)
        (bundle / "bundle.json").write_text(f"bundle {number}")
        return register_version(self.versions, KEY, run_id=f"run-{number}")

    def after_loss(self, promoted: int = 2, registered: int = 3) -> ModelVersions:
        """Register and promote versions, then lose MLflow's database."""
        for number in range(1, registered + 1):
            name = self.register(number).name
            if number <= promoted:
                self.versions.serve(name)
        self.mlflow = FakeRegistry(self.home / "artifacts")
        return self.versions


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(build_test_services(tmp_path))


def test_what_is_registered_is_recorded_in_both_places(installation: Installation) -> None:
    version = installation.register(1)
    installation.versions.serve(version.name)

    champion, (recorded,) = installation.versions.champion(KEY), installation.mlflow.versions(KEY)

    assert champion is not None
    assert (champion.is_champion, champion.is_challenger) == (True, True)
    assert len(champion.digest or "") == 64
    assert dataclasses.replace(champion, digest=None, is_challenger=False) == recorded
    assert installation.versions.next_number(KEY) == 2


def test_what_serves_and_what_served_outlive_mlflow(installation: Installation) -> None:
    versions = installation.after_loss()

    assert [each.name for each in versions.served(KEY)] == ["tickets-1-v2", "tickets-1-v1"]
    assert [(each.name, each.is_champion, each.is_challenger) for each in versions.all(KEY)] == [
        ("tickets-1-v3", False, True),
        ("tickets-1-v2", True, False),
        ("tickets-1-v1", False, False),
    ]
    assert versions.get("tickets-1-v2").path.is_dir()
    assert versions.project_keys() == [KEY]
    with pytest.raises(ModelNotFound, match="tickets-1-v9"):
        versions.get("tickets-1-v9")


@pytest.mark.parametrize("registered", [1, 3, 7])
def test_a_name_is_never_given_twice(installation: Installation, registered: int) -> None:
    versions = installation.after_loss(1, registered)

    assert versions.next_number(KEY) == registered + 1
    assert installation.register(registered + 1).name == f"tickets-1-v{registered + 1}"


def test_an_alias_that_somebody_moved_changes_nothing_and_is_set_again(installation: Installation) -> None:
    for number in (1, 2):
        installation.versions.serve(installation.register(number).name)
    installation.mlflow.set_champion(KEY, "tickets-1-v1")

    assert installation.versions.champions() == {KEY: "tickets-1-v2"}
    assert (
        installation.versions.mirror(KEY) == "MLflow's alias named tickets-1-v1 in tickets-1, and tickets-1-v2 serves"
    )
    assert installation.mlflow.champions == {KEY: "tickets-1-v2"}
    assert installation.versions.mirror(KEY) is None


def test_a_version_that_mlflow_has_lost_cannot_be_mirrored(installation: Installation) -> None:
    versions = installation.after_loss()

    with pytest.raises(ModelNotFound, match="tickets-1-v2"):
        versions.mirror(KEY)


def test_a_home_of_an_earlier_release_is_completed_once(installation: Installation) -> None:
    for number in (1, 2):
        register_version(installation.mlflow, KEY, run_id=f"run-{number}")
    installation.mlflow.set_champion(KEY, "tickets-1-v1")
    known, installation.mlflow = installation.mlflow, Away(installation.home)
    with pytest.raises(TrackingError):
        installation.versions.champion(KEY)
    installation.mlflow = known

    first = installation.versions.champion(KEY)
    installation.mlflow.set_champion(KEY, "tickets-1-v2")
    second = installation.versions.champion(KEY)

    assert first is not None
    assert first.name == "tickets-1-v1"
    assert second == first
    assert [each.number for each in installation.versions.all(KEY)] == [2, 1]


def test_a_version_whose_process_died_before_its_row_was_written_is_found_by_its_run(
    installation: Installation,
) -> None:
    version = register_version(installation.mlflow, KEY, run_id="run-7")

    found = installation.versions.made_by(KEY, "run-7")

    assert found is not None
    assert found.name == version.name
    assert installation.versions.made_by(KEY, "run-8") is None


def test_another_bundle_in_the_folder_of_a_version_is_refused(installation: Installation) -> None:
    version = installation.register(1)
    (version.path / "bundle.json").write_text("another bundle")

    with pytest.raises(BundleError, match="another bundle than the one that was registered as tickets-1-v1"):
        installation.versions.get(version.name)


def test_the_home_folder_may_be_moved(installation: Installation, tmp_path: Path) -> None:
    installation.after_loss()
    shutil.copytree(installation.home, tmp_path / "elsewhere")
    moved = ModelVersions(installation.database.versions, installation.mlflow, tmp_path / "elsewhere")

    paths = [version.path for version in moved.served(KEY)]

    assert [path.is_relative_to(tmp_path / "elsewhere") and path.is_dir() for path in paths] == [True, True]
