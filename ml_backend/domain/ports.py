"""The ports: what workflows need of the outside, each with a real implementation and a fake in the tests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

from .annotation import Prediction, ProjectInfo, Task
from .job import Job
from .model import Method, ModelVersion, ScoredTarget

__all__ = ["JobLauncher", "LaunchedJob", "ModelRegistry", "NewVersion", "Predictor", "Run", "Studio", "Tracker"]


class Studio(Protocol):
    """Label Studio's API, as far as the loop needs it.

    Every method raises StudioUnreachable, StudioUnauthorized or StudioRejected.
    """

    url: str

    def close(self) -> None:
        """Close idle connections."""

    def version(self) -> str:
        """Return the version of Label Studio, such as `1.23.2`."""

    def current_user(self) -> str:
        """Return the email address of the token's owner."""

    def project(self, project_id: int) -> ProjectInfo:
        """Return the settings of a project."""

    def newest_projects(self, limit: int) -> Sequence[ProjectInfo]:
        """Return projects, newest first, without their label configs.

        Args:
            limit: the greatest number of projects to return.
        """

    def create_project(self, title: str, label_config: str) -> ProjectInfo:
        """Make a project."""

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Import tasks, and return the number of tasks that Label Studio says it made.

        Annotations among them are stored with `ground_truth: false` unless they say otherwise.
        """

    def reviewed_tasks(self, project_id: int) -> Iterator[Task]:
        """Yield every task that has an annotation, skipped ones included, in flat memory."""

    def tasks_without_prediction(self, project_id: int, model_version: str) -> Iterator[Task]:
        """Yield unlabeled tasks that hold no prediction of this version, without annotations.

        Predictions may be pushed meanwhile to tasks that were read.
        """

    def count_without_prediction(self, project_id: int, model_version: str) -> int:
        """Count the tasks of `tasks_without_prediction`, or somewhat more, so that progress can be shown."""

    def unlabeled_tasks(self, project_id: int, model_version: str | None) -> Iterator[tuple[Task, Prediction | None]]:
        """Yield unlabeled tasks, without annotations, each with its stored prediction, the newest where it has several.

        Args:
            model_version: whose predictions are wanted; None: none are read, which is faster.
        """

    def first_tasks(self, project_id: int, count: int) -> Sequence[Task]:
        """Return the tasks with the lowest ids, without annotations; fewer where the project has fewer."""

    def tasks_by_id(self, project_id: int, task_ids: Collection[int]) -> Sequence[Task]:
        """Return these tasks as they are now, with annotations, in the order of ids; deleted ones are left out."""

    def labeled_since(self, project_id: int, moment: datetime, limit: int) -> Sequence[tuple[int, datetime]]:
        """Return ids and times of the last change of labeled tasks that changed after a moment, the earliest first.

        Args:
            limit: the greatest number of tasks to return.
        """

    def tasks_with(self, project_id: int, field: str, value: str) -> Iterator[Task]:
        """Yield tasks whose data has this text, or the JSON value spelled like it, under the key; with annotations."""

    def replace_data(self, task_id: int, data: Mapping[str, Any]) -> None:
        """Replace a task's data; what is left out is gone. Label Studio sends no event about it."""

    def columns(self, project_id: int) -> Mapping[str, bool]:
        """Return the Data Manager's columns, such as `tasks:id` and `tasks:data.text`, and whether it shows each."""

    def views(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        """Return the saved tabs of the Data Manager as JSON objects, by id; what they show is under `data`."""

    def create_view(self, project_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a tab, which all members see."""

    def update_view(self, project_id: int, view_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace a tab's data; of what is left out, Label Studio keeps filters and ordering alone."""

    def push_predictions(self, project_id: int, predictions: Sequence[tuple[int, Prediction]]) -> int:
        """Store predictions, given as pairs of task id and prediction.

        Return how many Label Studio says it created: it drops invalid ones without a word.
        """

    def push_prediction(self, task_id: int, prediction: Prediction) -> bool:
        """Store one prediction, which Label Studio does not check as it does those that come together.

        Return False where the task is gone.

        Raises:
            StudioError: what it stored is not what was sent.
        """

    def prediction_counts(self, project_id: int) -> Mapping[str, int]:
        """Return the number of stored predictions per model version."""

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete all predictions of a version, and return how many there were."""

    def delete_predictions_of(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete all predictions of these tasks, of whatever version."""

    def accept_predictions(self, project_id: int, task_ids: Sequence[int], model_version: str) -> None:
        """Make annotations of these tasks' predictions of a version, whether or not somebody has labeled a task.

        Label Studio passes over predictions that an annotation started from, so that a repeated call makes no second
        one. The annotations get no lead time, and the token's owner as annotator.
        """

    def update_project(self, project_id: int, settings: Mapping[str, Any]) -> None:
        """Change a project's settings, `model_version` and `sampling` among them."""

    def backends(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        """Return the ML backends of a project as JSON objects, in the order in which Label Studio uses them: by id."""

    def create_backend(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Register an ML backend; Label Studio calls its `/health` and `/setup` meanwhile."""

    def update_backend(self, backend_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change an ML backend. `settings` must hold url, project and, with basic auth, user and password."""

    def start_training(self, backend_id: int) -> None:
        """Do what the Start Training button does. Label Studio answers 200 with an empty body, whatever happened."""

    def webhooks(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        """Return the webhooks of a project as JSON objects, by id."""

    def create_webhook(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a webhook."""

    def update_webhook(self, webhook_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change a webhook."""

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook."""

    def submit_annotation(self, task_id: int, annotation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Submit an annotation for a task, as the editor would, and return it as stored.

        Label Studio takes `result`, `lead_time`, `parent_prediction`, `was_cancelled`, `ground_truth` and
        `completed_by` as they come. Unlike the editor, it sets no `origin` on regions.
        """

    def delete_annotation(self, annotation_id: int) -> bool:
        """Delete an annotation; False where it is gone already."""


class Predictor(Protocol):
    """A model that answers texts."""

    version: str

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Return answers per control name for each text, in order; None for a text that has no answer (an empty one).

        A control that the version does not answer is absent.
        """

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Return the same answers, with their `fit` where the version can tell it.

        For many texts at a time: the first call takes a while longer, and every text a little.
        """

    def nearest(self, text: str, count: int, /) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Return per control the train rows that the model finds nearest to a text: `text_key` and cosine.

        A control is absent, or has none, where the version keeps no vectors of its train rows.
        """

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        """Draw a score at random from this version's scores; the same key gives the same draw.

        Blind tasks carry it, so that neither the model's opinion nor the sampling order touches them. None where the
        version gives no task a score.

        Args:
            unasked: names of controls whose scores are left out.
        """


class Run(Protocol):
    """One tracked training run."""

    run_id: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings, before training."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record measurements; with a step they make a curve."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Record facts that are not settings: versions, ids, the machine."""

    def log_dataset(self, path: Path, name: str, digest: str, context: str) -> None:
        """Record a JSONL file of rows as an input of the run (context: `training`, `validation` or `testing`)."""

    def log_figure(self, figure: Any, file_name: str) -> None:
        """Keep a matplotlib figure."""

    def log_table(self, rows: Sequence[Mapping[str, Any]], file_name: str) -> None:
        """Keep a table as JSON."""

    def log_folder(self, folder: Path, artifact_path: str) -> None:
        """Keep a folder of files."""


class Tracker(Protocol):
    """The record of training runs."""

    def run(
        self, experiment: str, name: str, *, resume: str | None = None, parent: str | None = None
    ) -> AbstractContextManager[Run]:
        """Return a run that ends with the block: FINISHED, FAILED on an exception, KILLED where somebody stopped it.

        Args:
            resume: id of a run whose process died and that is to be continued. None, or an id that the tracker does not
                know, starts a new run.
            parent: id of the run that a new one is a part of; None: it stands for itself.
        """

    def close(self, run_id: str, *, was_cancelled: bool) -> None:
        """End a run whose process died: KILLED where somebody stopped it, else FAILED; one that is over stays so."""


class NewVersion(TypedDict):
    """The facts about a version that is registered: the bundle that a run logged under `artifact_path`, and more."""

    number: int
    run_id: str
    artifact_path: str
    method: Method
    snapshot_id: str
    label_config_fingerprint: str
    metrics: Mapping[str, float]


class ModelRegistry(Protocol):
    """The record of versions beside the runs that made them. Which one serves, the database says; aliases repeat it.

    Every method raises TrackingError where it cannot be reached.
    """

    def next_number(self, project_key: str) -> int:
        """Return the number that the next registered version will get."""

    def register(self, project_key: str, **new: Unpack[NewVersion]) -> ModelVersion:
        """Register a version as the challenger.

        Raises:
            JobError: the number was taken meanwhile.
        """

    def project_keys(self) -> Sequence[str]:
        """Return the keys of the projects that have registered a version, in alphabetical order."""

    def versions(self, project_key: str) -> Sequence[ModelVersion]:
        """Return all versions of a project, newest first; `is_champion` of the one that the alias names."""

    def fetch(self, version: ModelVersion) -> None:
        """Copy a version's files to its path, unless they lie on this machine already."""

    def set_champion(self, project_key: str, version: str | None) -> str | None:
        """Let the alias name a version, or none; returns the one that it named before."""


class LaunchedJob(Protocol):
    """A job's process, or what stands for it."""

    @property
    def pid(self) -> int | None:
        """The process id; None while it waits for a place to run."""

    @property
    def host(self) -> str:
        """Name of the machine that it runs on."""

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to stop, and stop it for good if it does not within a grace time."""


class JobLauncher(Protocol):
    """Starts jobs. The place where a cluster fits in."""

    def launch(self, job: Job, *, is_bound: bool = False) -> LaunchedJob:
        """Start the job; its output goes to its log file.

        Args:
            is_bound: the job is cancelled where this process ends before it.
        """

    def is_gone(self, job: Job) -> bool:
        """True where the job's process is known to have ended; False where nobody here can tell."""

    def kill(self, job: Job) -> None:
        """Kill what is left of the job's process, where it can be reached."""
