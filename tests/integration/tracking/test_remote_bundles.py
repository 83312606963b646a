"""Bundles whose files a server keeps."""

from pathlib import Path

import pytest

from ml_backend.domain.model import ModelVersion
from ml_backend.errors import BundleError, JobError
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry
from tests.fakes import register_version
from tests.mlflow_server import MlflowServer
from tests.running import at_once


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "models"


def registered(server: MlflowServer, cache: Path, key: str) -> ModelVersion:
    bundle = cache.parent / "bundle"
    (bundle / "adapter").mkdir(parents=True)
    (bundle / "adapter" / "weights").write_bytes(b"0123456789")
    (bundle / "bundle.json").write_text("{}")
    with MlflowTracker(server.url, cache.parent / "unused").run(key, "one") as run:
        run.log_folder(bundle, "bundle")
        return register_version(MlflowRegistry(server.url, cache), key, run_id=run.run_id)


def kept_file(server: MlflowServer, name: str, run_id: str) -> Path:
    """A file of a run where the server keeps it."""
    (found,) = (path for path in server.files.rglob(name) if run_id in path.parts)
    return found


def test_files_are_fetched_when_a_version_is_asked_for_and_not_before(mlflow_server: MlflowServer, cache: Path) -> None:
    version = registered(mlflow_server, cache, "remote-1")
    registry = MlflowRegistry(mlflow_server.url, cache)
    assert registry.versions("remote-1")[0].path == version.path
    assert not version.path.exists()
    registry.fetch(version)
    assert (version.path / "adapter" / "weights").read_bytes() == b"0123456789"
    assert list(cache.iterdir()) == [version.path]


def test_files_that_were_fetched_are_not_fetched_again(mlflow_server: MlflowServer, cache: Path) -> None:
    version = registered(mlflow_server, cache, "remote-2")
    MlflowRegistry(mlflow_server.url, cache).fetch(version)
    kept_file(mlflow_server, "weights", version.run_id).unlink()

    MlflowRegistry(mlflow_server.url, cache).fetch(version)

    assert (version.path / "adapter" / "weights").read_bytes() == b"0123456789"


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_files_that_do_not_arrive_whole_leave_nothing_behind(
    mlflow_server: MlflowServer, cache: Path, damage: str
) -> None:
    version = registered(mlflow_server, cache, f"remote-{damage}")
    file = kept_file(mlflow_server, "weights", version.run_id)
    file.unlink()
    if damage == "shorter":
        file.write_bytes(b"01234")
    registry = MlflowRegistry(mlflow_server.url, cache)
    with pytest.raises(
        BundleError, match=r"adapter/weights at mlflow-artifacts:.* is missing there or has another size"
    ):
        registry.fetch(version)
    assert list(cache.iterdir()) == []
    file.write_bytes(b"0123456789")
    registry.fetch(version)
    assert version.path.is_dir()


def test_threads_that_ask_for_the_same_files_at_once_all_get_them(mlflow_server: MlflowServer, cache: Path) -> None:
    version = registered(mlflow_server, cache, "remote-3")

    def fetch(_: int) -> bytes:
        MlflowRegistry(mlflow_server.url, cache).fetch(version)
        return (version.path / "adapter" / "weights").read_bytes()

    assert at_once(4, fetch) == [b"0123456789"] * 4
    assert list(cache.iterdir()) == [version.path]


def test_a_run_that_logged_no_bundle_has_none_to_register(mlflow_server: MlflowServer, cache: Path) -> None:
    registry = MlflowRegistry(mlflow_server.url, cache)
    with (
        MlflowTracker(mlflow_server.url, cache).run("remote-4", "one") as run,
        pytest.raises(JobError, match=f"run {run.run_id} logged no file under 'bundle'"),
    ):
        register_version(registry, "remote-4", run_id=run.run_id)
    assert list(registry.versions("remote-4")) == []
    assert registry.next_number("remote-4") == 1
