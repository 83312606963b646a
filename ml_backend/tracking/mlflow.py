"""Runs in MLflow: parameters, curves, datasets, figures and files of every training."""

import json
import posixpath
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batches import in_batches
from ..domain.ports import Run
from ..errors import Interrupted, JobCancelled
from .connection import MlflowConnection

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowTracker"]

# Limits of one MLflow request, and of the names and digests it stores.
ENTRIES_PER_BATCH = 100
METRICS_PER_BATCH = 1000
LONGEST_KEY = 250
LONGEST_DIGEST = 36
TABLES_TAG = "mlflow.loggedArtifacts"
PARENT_TAG = "mlflow.parentRunId"


class MlflowTracker:
    """Records runs in a database or on a server. MLflow is imported by the first run, not before.

    Args:
        uri: `sqlite:///<file>`, another database, or a server's URL.
        artifact_root: folder for figures, tables and models, unless a server keeps them.
    """

    def __init__(self, uri: str, artifact_root: Path) -> None:
        self._connection = MlflowConnection(uri)
        self._artifact_root = artifact_root

    @contextmanager
    def run(self, experiment: str, name: str, *, resume: str | None = None, parent: str | None = None) -> Iterator[Run]:
        """A run that ends with the block: FINISHED, FAILED on an exception, KILLED where somebody stopped it.

        Args:
            resume: id of a run to go on with, whose process died; None, or where MLflow does not know it: a new run.
            parent: id of the run below which MLflow's pages show a new one; None: it stands for itself.

        Raises:
            TrackingError: MLflow did not answer, or refused; the run's methods raise it too.
        """
        with self._connection.calls() as client:
            if resume is not None and _found(client, resume):
                client.update_run(resume, status="RUNNING", name=name)
                run_id = resume
            else:
                tags = {PARENT_TAG: parent} if parent else None
                run_id = client.create_run(
                    self._experiment_id(client, experiment), tags=tags, run_name=name
                ).info.run_id
        state = "FAILED"
        try:
            yield MlflowRun(self._connection, run_id)
            state = "FINISHED"
        except (JobCancelled, Interrupted, KeyboardInterrupt):
            state = "KILLED"
            raise
        finally:
            with self._connection.calls() as client:
                client.set_terminated(run_id, state)

    def close(self, run_id: str, *, was_cancelled: bool) -> None:
        """End a run whose process died: KILLED where somebody stopped it, FAILED otherwise.

        One that is over, or that MLflow does not know, stays as it is.

        Raises:
            TrackingError: MLflow did not answer, or refused.
        """
        with self._connection.calls() as client:
            if _found(client, run_id) == "RUNNING":
                client.set_terminated(run_id, "KILLED" if was_cancelled else "FAILED")

    def _experiment_id(self, client: "MlflowClient", name: str) -> str:
        from mlflow.exceptions import MlflowException

        location = None if self._connection.is_server else self._artifact_root.resolve().as_uri()
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                experiment = client.get_experiment_by_name(name)  # another process was first
                if experiment is None:
                    raise error from None
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)


class MlflowRun:
    """One run in MLflow. Every method raises TrackingError where MLflow does not answer, or refuses."""

    def __init__(self, connection: MlflowConnection, run_id: str) -> None:
        self.run_id = run_id
        self._connection = connection

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings. MLflow refuses a second value for the same one."""
        with self._connection.calls() as client:
            from mlflow.entities import Param

            entries = [Param(_key(name), str(value)) for name, value in params.items()]
            for batch in in_batches(entries, ENTRIES_PER_BATCH):
                client.log_batch(self.run_id, params=batch)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record measurements; with a step they make a curve."""
        with self._connection.calls() as client:
            from mlflow.entities import Metric

            now_ms = int(time.time() * 1000)
            entries = [Metric(_key(name), float(value), now_ms, step or 0) for name, value in metrics.items()]
            for batch in in_batches(entries, METRICS_PER_BATCH):
                client.log_batch(self.run_id, metrics=batch)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record facts that are not settings."""
        with self._connection.calls() as client:
            from mlflow.entities import RunTag

            entries = [RunTag(_key(name), str(value)) for name, value in tags.items()]
            for batch in in_batches(entries, ENTRIES_PER_BATCH):
                client.log_batch(self.run_id, tags=batch)

    def log_dataset(self, path: Path, name: str, digest: str, context: str) -> None:
        """Record a file of rows as an input of the run: name, place, digest and number of rows, not the rows."""
        with self._connection.calls() as client:
            from mlflow.entities import Dataset, DatasetInput, InputTag

            # Made by hand: the ready-made kinds of dataset load the rows into pandas to describe them.
            dataset = Dataset(
                name=name,
                digest=digest[:LONGEST_DIGEST],
                source_type="local",
                source=json.dumps({"uri": path.resolve().as_uri()}),
                profile=json.dumps({"num_rows": _line_count(path)}),
            )
            tags = [InputTag("mlflow.data.context", context)]
            client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, tags)])

    def log_figure(self, figure: Any, file_name: str) -> None:
        """Keep a matplotlib figure."""
        with self._connection.calls() as client:
            client.log_figure(self.run_id, figure, file_name)

    def log_table(self, rows: Sequence[Mapping[str, Any]], file_name: str) -> None:
        """Keep a table as JSON, in the form that MLflow's pages show and `mlflow.load_table` reads.

        Args:
            file_name: ends in `.json`.
        """
        columns = list(dict.fromkeys(column for row in rows for column in row))
        table = {"columns": columns, "data": [[row.get(column) for column in columns] for row in rows]}
        entry = {"path": file_name, "type": "table"}
        with self._connection.calls() as client:
            client.log_text(self.run_id, json.dumps(table), file_name)
            listed = json.loads(client.get_run(self.run_id).data.tags.get(TABLES_TAG, "[]"))
            client.set_tag(self.run_id, TABLES_TAG, json.dumps(listed if entry in listed else [*listed, entry]))

    def log_folder(self, folder: Path, artifact_path: str) -> None:
        """Keep a folder of files."""
        with self._connection.calls() as client:
            client.log_artifacts(self.run_id, str(folder), artifact_path)


def _found(client: "MlflowClient", run_id: str) -> str | None:
    """A run's status; None where there is no such run."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).info.status)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _line_count(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _key(name: str) -> str:
    """The name as MLflow takes it; names of classes come in all characters."""
    key = re.sub(r"[^/\w.\- ]", "_", name)[:LONGEST_KEY]
    return key if posixpath.normpath(key) == key and not key.startswith(("/", "..")) else key.replace("/", "_")
