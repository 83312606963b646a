"""A real state, trained and served, and a backup of it."""

from pathlib import Path

import pytest

from ml_backend.domain.project import Project
from tests.backend_process import command_result
from tests.live_state import make_live_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state with a space")


@pytest.fixture(scope="module")
def project(folder: Path) -> Project:
    """The project of a state in `<folder>/home`."""
    return make_live_state(folder / "home", folder / "tiny")


@pytest.fixture(scope="module")
def home(folder: Path, project: Project) -> Path:
    return folder / "home"


@pytest.fixture(scope="module")
def archive(folder: Path, home: Path) -> Path:
    """A backup of it."""
    return Path(command_result(home, "backup", str(folder / "backup.tar.gz"))["path"])
