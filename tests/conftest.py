"""Isolation for every test: its own home folder, a cleaned environment, no model hub."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.databases", "tests.mlflow_server", "tests.postgres", "tests.studio"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No `LABELLOOP_` setting leaks in; what is written goes to the test's own folder."""
    for name in list(os.environ):
        if name.startswith("LABELLOOP_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("LABELLOOP_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home
