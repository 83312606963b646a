"""MLflow's database as the installed release makes it, read without MLflow."""

from pathlib import Path

from ml_backend.tracking.aliases import AliasTable
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry
from tests.fakes import register_version


def test_a_database_of_mlflow_is_read_as_mlflow_reads_it(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    registry = MlflowRegistry(uri, tmp_path / "models")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    with MlflowTracker(uri, tmp_path / "artifacts").run("tickets-1", "a run") as run:
        run.log_folder(tmp_path / "bundle", "bundle")
        version = register_version(registry, "tickets-1", run_id=run.run_id)
    read = AliasTable(uri)
    assert read.holder("tickets-1", "champion") is None

    registry.set_champion(version.name)

    found = read.holder("tickets-1", "champion")
    assert found is not None
    assert (found.version, found.run_id, found.aliases) == (1, version.run_id, {"champion": 1})
    assert found.tags["model_version"] == version.name
    assert registry.champion("tickets-1") == registry.get(version.name)

    registry.clear_champion("tickets-1")
    assert read.holder("tickets-1", "champion") is None
