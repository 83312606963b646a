"""A real installation that loses MLflow's database, or a champion's folder."""

import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.config import load_settings
from ml_backend.domain.model import Method
from ml_backend.domain.project import Project
from ml_backend.options import Options
from ml_backend.serving.alarms import AlarmKind
from ml_backend.workflows.services import Services
from tests.live_state import CHAMPION, make_live_state

BEFORE = "support-tickets-1-v1"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Project]:
    folder = tmp_path_factory.mktemp("original")
    project = make_live_state(folder / "home", folder / "base")
    return folder / "home", folder / "base", project


@pytest.fixture
def home(original: tuple[Path, Path, Project]) -> Iterator[Path]:
    """The state, at its path; what a test does to it is undone."""
    at, _, _ = original
    aside = at.with_name("aside")
    shutil.copytree(at, aside)
    yield at
    shutil.rmtree(at)
    aside.rename(at)


@pytest.fixture
def settings(home: Path, original: tuple[Path, Path, Project]) -> Options:
    return load_settings(home=home, base_model=str(original[1]))


@pytest.fixture
def project(original: tuple[Path, Path, Project]) -> Project:
    return original[2]


@pytest.fixture
def started(settings: Options) -> Iterator[Services]:
    """A process that starts after the harm was done."""
    services = build_services(settings)
    yield services
    services.close()


def test_without_mlflows_database_the_champion_serves_from_its_files(
    home: Path, started: Services, project: Project
) -> None:
    (home / "mlflow.db").unlink()

    assert started.champions.refresh(project).version == CHAMPION
    assert not any(started.alarms.counts().values())
    assert started.versions.next_number(project.ref.key) == 3


def test_versions_are_made_meanwhile_under_new_names(home: Path, started: Services, project: Project) -> None:
    (home / "mlflow.db").unlink()
    # MLflow keeps a store open for the life of a process, so a training opens a new one.
    training = multiprocessing.get_context("spawn").Process(target=promote_next, args=(home, project))
    training.start()
    training.join(120)

    assert training.exitcode == 0
    assert started.versions.serving(project) == "support-tickets-1-v3"
    assert [each.number for each in started.versions.all(project.ref.key)] == [3, 2, 1]


def promote_next(home: Path, project: Project) -> None:
    """Make the calls to MLflow that a training makes."""
    services, key = build_services(load_settings(home=home)), project.ref.key
    with services.tracker.run(key, "a training") as run:
        run.log_folder(services.versions.get(CHAMPION).path, "bundle")
        services.versions.register(
            key,
            number=services.versions.next_number(key),
            run_id=run.run_id,
            artifact_path="bundle",
            method=Method.REGRESSION,
            snapshot_id="00ff",
            label_config_fingerprint=project.label_config_fingerprint,
            metrics={},
        )
    assert services.versions.serving(project) == CHAMPION
    services.versions.serve("support-tickets-1-v3")
    services.close()


def test_without_its_folder_the_version_before_serves(home: Path, started: Services, project: Project) -> None:
    shutil.rmtree(started.versions.get(CHAMPION).path)

    assert started.champions.refresh(project).version == BEFORE
    assert started.alarms.counts()[AlarmKind.MODEL] == 1


def test_without_either_the_version_before_serves(home: Path, started: Services, project: Project) -> None:
    shutil.rmtree(started.versions.get(CHAMPION).path)
    for file in home.glob("mlflow.db*"):
        file.unlink()

    assert started.champions.refresh(project).version == BEFORE
    assert started.alarms.counts() == {AlarmKind.STATE: 0, AlarmKind.MODEL: 1}
