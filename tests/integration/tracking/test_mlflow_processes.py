"""How MlflowTracker and MlflowRegistry behave as part of a process, beside others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_backend.errors import TrackingError
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry
from tests.mlflow_server import MlflowServer
from tests.running import at_once

REPOSITORY = Path(__file__).resolve().parents[3]
TRAIN = """
import logging
import sys
from pathlib import Path
from ml_backend.domain.model import Method
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry

uri, folder, key = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
(folder / key).mkdir()
(folder / key / "bundle.json").write_text("{}")
registry = MlflowRegistry(uri, folder / "cache")
assert "mlflow" not in sys.modules
number = registry.next_number(key)
with MlflowTracker(uri, folder / "artifacts").run(key, "one") as run:
    for step in range(20):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)
    run.log_folder(folder / key, "bundle")
    version = registry.register(key, number=number, run_id=run.run_id, artifact_path="bundle", method=Method.LORA,
                                snapshot_id="s", label_config_fingerprint="f", metrics={})
registry.set_champion(key, version.name)
assert registry.versions(key)[0].is_champion
registry.fetch(version)
assert version.path.is_dir()
assert (logging.getLogger().handlers, logging.getLogger().level) == ([], logging.WARNING)
from mlflow.telemetry.utils import is_telemetry_disabled
assert is_telemetry_disabled()
"""


def start_training(uri: str, folder: Path, key: str) -> "subprocess.Popen[str]":
    """A process that trains nothing, but does with MLflow what a training does."""
    cwd = folder / f"cwd-{key}"
    cwd.mkdir()
    # Without what MLflow knows a test or a CI machine by: it would not report its use there anyway.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, uri, str(folder), key],
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_two_processes_open_a_fresh_database_at_once_and_say_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    children = [start_training(uri, tmp_path, key) for key in ("tickets-1", "tickets-2")]
    outputs = [child.communicate(timeout=120) for child in children]
    assert outputs == [("", ""), ("", "")]
    assert [child.returncode for child in children] == [0, 0]
    registry = MlflowRegistry(uri, tmp_path / "cache")
    assert [registry.versions(key)[0].name for key in ("tickets-1", "tickets-2")] == ["tickets-1-v1", "tickets-2-v1"]
    assert [list((tmp_path / f"cwd-{key}").iterdir()) for key in ("tickets-1", "tickets-2")] == [[], []]


def test_a_server_is_spoken_to_in_silence_as_well(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    child = start_training(mlflow_server.url, tmp_path, "silent-1")
    assert child.communicate(timeout=120) == ("", "")
    assert child.returncode == 0


def test_threads_that_open_a_fresh_database_at_once_all_write_to_it(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    shared = MlflowTracker(uri, tmp_path / "artifacts")
    trackers = [shared, shared, *(MlflowTracker(uri, tmp_path / "artifacts") for _ in range(2))]

    def work(number: int) -> str:
        with trackers[number].run("tickets-1", "one") as run:
            for step in range(5):
                run.log_metrics({"loss": 0.5}, step=step)
        return run.run_id

    assert len(set(at_once(4, work))) == 4


def test_a_server_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = MlflowRegistry("http://ada:secret@127.0.0.1:1", tmp_path)
    with pytest.raises(TrackingError, match=r"http://ada:\*\*\*@127.0.0.1:1 .* LABELLOOP_MLFLOW_URL") as raised:
        registry.versions("tickets-1")
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but a text that is long enough to be taken for one\n" * 20)
    with pytest.raises(TrackingError, match=r"mlflow\.db"):
        MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path).next_number("tickets-1")
