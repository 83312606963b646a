"""Trainings over the shared tiny base model, and its graphs."""

from pathlib import Path

import pytest

from ml_backend.models.graphs.store import GraphStore
from tests.integration.learning.trials import Trial


@pytest.fixture
def trial(tmp_path: Path, base: str) -> Trial:
    return Trial(tmp_path, base)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> GraphStore:
    return GraphStore(tmp_path_factory.mktemp("home") / "graphs")
