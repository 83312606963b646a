"""Fixtures that several tests of workflows use."""

from pathlib import Path

import pytest

from tests.unit.workflows.healthy_loop import Loop, Original, copy_of, make_original


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return make_original(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def loop(original: Original, tmp_path: Path) -> Loop:
    return copy_of(original, tmp_path)
