"""What MLflow's own client and pages find of a run."""

import json
import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_backend.domain.ports import Run
from ml_backend.errors import Interrupted, JobCancelled
from ml_backend.tracking.mlflow import MlflowTracker
from ml_backend.tracking.registry import MlflowRegistry
from tests.fakes import register_version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunData


@dataclass(frozen=True)
class Mlflow:
    """A tracker, and what MLflow's own client finds."""

    uri: str
    files: Path
    tracker: MlflowTracker
    client: "MlflowClient"

    def logged(self) -> AbstractContextManager[Run]:
        return self.tracker.run("tickets-7", "tickets-7-v1")

    def data_of(self, run: Run) -> "RunData":
        return self.client.get_run(run.run_id).data


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Mlflow:
    """One database for the module: making its tables takes seconds."""
    from mlflow import MlflowClient

    home = tmp_path_factory.mktemp("home with a space")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    tracker = MlflowTracker(uri, home / "artifacts")
    with tracker.run("warm-up", "makes the tables"):
        pass
    return Mlflow(uri, home / "artifacts", tracker, MlflowClient(tracking_uri=uri, registry_uri=uri))


def test_a_run_is_found_by_experiment_and_name(mlflow: Mlflow) -> None:
    with mlflow.tracker.run("found-1", "found-1-v1") as run:
        assert mlflow.client.get_run(run.run_id).info.status == "RUNNING"
    experiment = mlflow.client.get_experiment_by_name("found-1")
    found = mlflow.client.search_runs([experiment.experiment_id])
    assert [(entry.info.run_id, entry.info.run_name, entry.info.status) for entry in found] == [
        (run.run_id, "found-1-v1", "FINISHED")
    ]
    assert found[0].info.artifact_uri == (mlflow.files / run.run_id / "artifacts").as_uri()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError("no"), "FAILED"),
        (JobCancelled("stop"), "KILLED"),
        (KeyboardInterrupt(), "KILLED"),
        (Interrupted(15), "KILLED"),
    ],
)
def test_a_run_says_how_it_ended(mlflow: Mlflow, error: BaseException, state: str) -> None:
    with pytest.raises(type(error)), mlflow.logged() as run:
        raise error
    assert mlflow.client.get_run(run.run_id).info.status == state


def test_settings_are_kept_as_text_also_more_than_one_request_takes(mlflow: Mlflow) -> None:
    settings = {f"setting_{number:03}": number for number in range(205)} | {"modules": ["query", "value"]}
    with mlflow.logged() as run:
        run.log_params(settings)
    assert mlflow.data_of(run).params == {name: str(value) for name, value in settings.items()}


def test_metrics_with_a_step_make_a_curve(mlflow: Mlflow) -> None:
    with mlflow.logged() as run:
        for step, loss in enumerate((0.9, 0.5, 0.4), start=1):
            run.log_metrics({"loss": loss}, step=step)
        run.log_metrics({"macro_f1": 0.8})
    assert [(point.step, point.value) for point in mlflow.client.get_metric_history(run.run_id, "loss")] == [
        (1, 0.9),
        (2, 0.5),
        (3, 0.4),
    ]
    assert mlflow.data_of(run).metrics == {"loss": 0.4, "macro_f1": 0.8}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("f1/billing", "f1/billing"),
        ("f1/Zürich – 東京", "f1/Zürich _ 東京"),
        ("f1/what? (why!)", "f1/what_ _why__"),
        ("f1/../x", "f1_.._x"),
        ("/f1", "_f1"),
        ("f1//a", "f1__a"),
        ("x" * 300, "x" * 250),
    ],
)
def test_class_names_of_all_kinds_become_metrics(mlflow: Mlflow, name: str, kept: str) -> None:
    with mlflow.logged() as run:
        run.log_metrics({name: 0.5})
    assert mlflow.data_of(run).metrics == {kept: 0.5}


def test_a_metric_that_is_not_a_number_does_not_end_the_training(mlflow: Mlflow) -> None:
    with mlflow.logged() as run:
        run.log_metrics({"loss": math.nan})
    assert math.isnan(mlflow.data_of(run).metrics["loss"])


def test_facts_are_kept_as_tags(mlflow: Mlflow) -> None:
    with mlflow.logged() as run:
        run.log_tags({"snapshot_id": "00ff", "machine": "2 cores"})
    tags = mlflow.data_of(run).tags
    assert (tags["snapshot_id"], tags["machine"]) == ("00ff", "2 cores")


def test_datasets_are_inputs_with_digest_context_source_and_size(mlflow: Mlflow, tmp_path: Path) -> None:
    from mlflow.data import get_source

    rows = tmp_path / "train.jsonl"
    rows.write_text('{"id": "1"}\n{"id": "2"}\n')
    with mlflow.logged() as run:
        run.log_dataset(rows, "tickets-7-train", "ab" * 32, "training")
    (entry,) = mlflow.client.get_run(run.run_id).inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("tickets-7-train", "ab" * 18)
    assert {tag.key: tag.value for tag in entry.tags} == {"mlflow.data.context": "training"}
    assert json.loads(entry.dataset.profile) == {"num_rows": 2}
    assert Path(get_source(entry).load()).read_text() == rows.read_text()


def test_the_same_dataset_is_an_input_of_many_runs(mlflow: Mlflow, tmp_path: Path) -> None:
    rows = tmp_path / "test.jsonl"
    rows.write_text("{}\n")
    for _ in range(2):
        with mlflow.logged() as run:
            run.log_dataset(rows, "tickets-7-test", "cd" * 32, "testing")
        assert len(mlflow.client.get_run(run.run_id).inputs.dataset_inputs) == 1


def test_tables_are_listed_as_tables_and_read_back(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    with mlflow.logged() as run:
        run.log_table([{"label": "é", "f1": 0.5}, {"label": "b", "support": 3}], "tables/per_class.json")
    # The gate adds to the run of a training that is over.
    with mlflow.tracker.run("tickets-7", "v1", resume=run.run_id) as run:
        run.log_table([], "suspects.json")
        run.log_table([], "suspects.json")
    assert json.loads(mlflow.data_of(run).tags["mlflow.loggedArtifacts"]) == [
        {"path": "tables/per_class.json", "type": "table"},
        {"path": "suspects.json", "type": "table"},
    ]
    kept = mlflow.files / run.run_id / "artifacts"
    assert json.loads((kept / "tables" / "per_class.json").read_text()) == {
        "columns": ["label", "f1", "support"],
        "data": [["é", 0.5, None], ["b", None, 3]],
    }
    experiment = mlflow.client.get_experiment_by_name("tickets-7")
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", mlflow.uri
    )  # `load_table` looks for runs there, whatever its client's URI
    table = mlflow.client.load_table(experiment.experiment_id, "tables/per_class.json", run_ids=[run.run_id])
    assert list(table["label"]) == ["é", "b"]


def test_figures_and_folders_are_kept(mlflow: Mlflow, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0.2, 0.9])
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "weights").write_bytes(b"\x00\xff")
    with mlflow.logged() as run:
        run.log_figure(figure, "figures/reliability.png")
        run.log_folder(tmp_path, "bundle")
    kept = mlflow.files / run.run_id / "artifacts"
    assert (kept / "figures" / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert (kept / "bundle" / "adapter" / "weights").read_bytes() == b"\x00\xff"


def test_an_experiment_that_was_deleted_comes_back(mlflow: Mlflow) -> None:
    with mlflow.tracker.run("deleted-1", "one"):
        pass
    experiment = mlflow.client.get_experiment_by_name("deleted-1")
    mlflow.client.delete_experiment(experiment.experiment_id)
    with mlflow.tracker.run("deleted-1", "two"):
        pass
    assert {run.info.run_name for run in mlflow.client.search_runs([experiment.experiment_id])} >= {"two"}


def test_a_version_carries_the_time_of_its_registration(mlflow: Mlflow, tmp_path: Path) -> None:
    registry = MlflowRegistry(mlflow.uri, tmp_path / "cache")
    (tmp_path / "bundle.json").write_text("{}")
    with mlflow.tracker.run("timed-1", "one") as run:
        run.log_folder(tmp_path, "bundle")
        version = register_version(registry, "timed-1", run_id=run.run_id)
    assert timedelta(seconds=-1) < datetime.now(UTC) - version.created_at < timedelta(seconds=30)


def test_a_run_whose_process_died_goes_on(mlflow: Mlflow) -> None:
    with mlflow.tracker.run("resumed", "resumed-v1") as first:
        first.log_params({"epochs": 3})
        first.log_metrics({"loss": 0.9}, step=1)

    with mlflow.tracker.run("resumed", "resumed-v2", resume=first.run_id) as again:
        assert again.run_id == first.run_id
        assert mlflow.client.get_run(first.run_id).info.status == "RUNNING"
        again.log_params({"epochs": 3})
        again.log_metrics({"loss": 0.5}, step=2)

    found = mlflow.client.get_run(first.run_id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "resumed-v2")
    assert [(entry.step, entry.value) for entry in mlflow.client.get_metric_history(first.run_id, "loss")] == [
        (1, 0.9),
        (2, 0.5),
    ]


def test_a_run_that_mlflow_does_not_know_is_begun_anew(mlflow: Mlflow) -> None:
    with mlflow.tracker.run("resumed", "resumed-v3", resume="0123456789abcdef0123456789abcdef") as run:
        assert run.run_id != "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(("was_cancelled", "state"), [(True, "KILLED"), (False, "FAILED")])
def test_a_run_whose_process_died_is_closed(mlflow: Mlflow, was_cancelled: bool, state: str) -> None:
    experiment = mlflow.client.get_experiment_by_name("warm-up")
    run_id = mlflow.client.create_run(experiment.experiment_id).info.run_id

    mlflow.tracker.close(run_id, was_cancelled=was_cancelled)
    assert mlflow.client.get_run(run_id).info.status == state
    mlflow.tracker.close(run_id, was_cancelled=not was_cancelled)

    assert mlflow.client.get_run(run_id).info.status == state
    mlflow.tracker.close("0123456789abcdef0123456789abcdef", was_cancelled=True)
