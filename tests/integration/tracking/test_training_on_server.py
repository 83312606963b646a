"""A training whose files an MLflow server keeps."""

from pathlib import Path

from ml_backend.tracking.registry import MlflowRegistry
from tests.backend_process import command_result
from tests.integration.tickets import source_of, write_export
from tests.mlflow_server import MlflowServer
from tests.tiny_models import save_tiny_model


def test_the_gate_has_the_files_of_a_version_that_a_server_keeps(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    home, base_model = tmp_path / "home", save_tiny_model("bert", tmp_path / "tiny")
    export = write_export(tmp_path / "tickets.json", rows=120)
    split = ["--split", "0.6,0.2,0.2", "--out", str(tmp_path / "snapshot")]
    command_result(home, "export", *source_of(export), *split)

    training = ["--snapshot", str(tmp_path / "snapshot"), "--base-model", base_model, "--method", "regression"]
    result = command_result(home, "train", *training, environment={"LABELLOOP_MLFLOW_URL": mlflow_server.url})

    assert result["gate"]["rows"] == result["metrics"]["test"]["rows"] > 0
    (version,) = MlflowRegistry(mlflow_server.url, home / "models").versions(
        result["model_version"].rpartition("-v")[0]
    )
    assert version.path.is_relative_to(home / "models")
    assert (version.path / "bundle.json").is_file()
