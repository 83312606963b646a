"""Fixtures that several tests of workflows use."""

from pathlib import Path

import pytest

from ml_backend.domain.project import Project
from ml_backend.workflows.services import Services
from tests.services import add_project, build_test_services
from tests.tiny_models import save_tiny_model
from tests.unit.workflows.audits import Case, labeled_case
from tests.unit.workflows.healthy_loop import ACCESS, Loop, Original, copy_of, make_original


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def project(services: Services) -> Project:
    """A project without tasks."""
    return add_project(services)


@pytest.fixture
def case(services: Services) -> Case:
    """A labeled project whose tasks hold more than a text."""
    return labeled_case(services, customer=7)


@pytest.fixture
def guarded(tmp_path: Path) -> Services:
    """Services of a backend that asks for passwords."""
    return build_test_services(tmp_path, backend=ACCESS)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return make_original(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def loop(original: Original, tmp_path: Path) -> Loop:
    return copy_of(original, tmp_path)
