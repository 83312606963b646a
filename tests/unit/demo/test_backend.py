"""The settings of the demo's backend."""

from pathlib import Path

import pytest

from ml_backend.demo.backend import SPLIT, demo_settings
from ml_backend.options import Options


def _settings(home: Path) -> Options:
    return demo_settings(home, port=9191, studio_url="http://localhost:8181", studio_token="0123456789")


def test_the_users_own_settings_do_not_reach_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "HOME": "/the/users/home",
        "DATABASE_URL": "postgresql://users.example/labels",
        "MLFLOW_URL": "http://users.example:5000",
        "PUBLIC_URL": "http://users.example:9090",
        "STUDIO_URL": "http://users.example:8080",
        "REVIEW_RULE": "ground_truth",
    }.items():
        monkeypatch.setenv(f"LABELLOOP_{name}", value)

    settings = _settings(tmp_path)

    assert settings.home == tmp_path
    assert settings.database == f"sqlite:///{tmp_path / 'labelloop.db'}"
    assert settings.mlflow == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert settings.backend.url == "http://localhost:9191"
    assert settings.studio.url == "http://localhost:8181"
    assert settings.labels.review_rule == "submitted"
    assert settings.labels.split == SPLIT
    assert "users" not in " ".join(settings.environment().values()).replace(str(tmp_path), "")


def test_the_backend_has_two_random_passwords_on_loopback(tmp_path: Path) -> None:
    first, second = _settings(tmp_path), _settings(tmp_path)
    passwords = {
        password.get_secret_value()
        for settings in (first, second)
        for password in (settings.backend.password, settings.backend.webhook_password)
    }

    assert first.backend.is_loopback
    assert len(passwords) == 4
    assert min(map(len, passwords)) >= 12
