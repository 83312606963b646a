"""In-memory stand-ins at the ports, which record what they were told."""

import dataclasses
import random
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_backend.domain.model import Method, ModelVersion, ScoredTarget
from ml_backend.domain.ports import ModelRegistry
from ml_backend.errors import Interrupted, JobCancelled, JobError, ModelNotFound
from ml_backend.serving.model_versions import ModelVersions

__all__ = ["FakeClock", "FakePredictor", "FakeRegistry", "FakeRun", "FakeTracker", "register_version"]


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakePredictor:
    """Answers one control by a mapping from text to label, what is not in it with the default, and others always alike.

    Attributes:
        asked: the texts of every call.
        neighbours: the train rows that it finds nearest to every text, by key and cosine.
    """

    def __init__(
        self,
        version: str,
        answers: Mapping[str, str] | None = None,
        default: str | None = None,
        score: float = 0.9,
        *,
        control: str = "category",
        others: Mapping[str, ScoredTarget] | None = None,
        fits: Mapping[str, float] | None = None,
    ) -> None:
        self.version = version
        self._fits = fits or {}
        self._others = others or {}
        self._control = control
        self.asked: list[list[str]] = []
        self.neighbours: list[tuple[int, float]] = []
        self._answers = dict(answers or {})
        self._default = default
        self._score = score

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        self.asked.append(list(texts))
        answers = [self._answer(text) for text in texts]
        found = [self._others if answer is None else {**self._others, self._control: answer} for answer in answers]
        return [each or None for each in found]

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        return [
            answers and {name: dataclasses.replace(each, fit=self._fits.get(text)) for name, each in answers.items()}
            for text, answers in zip(texts, self.predict(texts), strict=True)
        ]

    def nearest(self, text: str, count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        return {self._control: self.neighbours[:count]}

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float:
        return random.Random(f"{self.version}:{key}").random()

    def _answer(self, text: str) -> ScoredTarget | None:
        label = self._answers.get(text, self._default)
        if label is None or not text.strip():
            return None
        others = sorted({*self._answers.values(), *([self._default] if self._default else [])} - {label})
        score = self._score if others else 1.0
        scores = {label: score} | {other: (1 - score) / len(others) for other in others}
        return ScoredTarget(label, score, scores)


class FakeRun:
    """A run in memory; folders are copied below `folder`.

    Attributes:
        state: RUNNING, then FINISHED, FAILED or KILLED.
        parent: id of the run that it is a part of.
        metrics: last value per name.
        curves: (step, value) per name, for values that were given with a step.
        datasets: (name, digest, context) in order.
    """

    def __init__(self, run_id: str, experiment: str, name: str, folder: Path) -> None:
        self.run_id = run_id
        self.experiment = experiment
        self.name = name
        self.folder = folder
        self.state = "RUNNING"
        self.parent: str | None = None
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.curves: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self.tags: dict[str, str] = {}
        self.datasets: list[tuple[str, str, str]] = []
        self.figures: dict[str, Any] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.params |= params

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.metrics |= metrics
        if step is not None:
            for name, value in metrics.items():
                self.curves[name].append((step, value))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.tags |= tags

    def log_dataset(self, path: Path, name: str, digest: str, context: str) -> None:
        self.datasets.append((name, digest, context))

    def log_figure(self, figure: Any, file_name: str) -> None:
        self.figures[file_name] = figure

    def log_table(self, rows: Sequence[Mapping[str, Any]], file_name: str) -> None:
        self.tables[file_name] = [dict(row) for row in rows]

    def log_folder(self, folder: Path, artifact_path: str) -> None:
        shutil.copytree(folder, self.folder / artifact_path, dirs_exist_ok=True)


class FakeTracker:
    """Keeps runs in a list, and their folders in `<folder>/<run id>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: list[FakeRun] = []

    @contextmanager
    def run(
        self, experiment: str, name: str, *, resume: str | None = None, parent: str | None = None
    ) -> Iterator[FakeRun]:
        known = [run for run in self.runs if run.run_id == resume]
        if known:
            run = known[0]
            run.state, run.name = "RUNNING", name
        else:
            run_id = f"run-{len(self.runs) + 1}"
            run = FakeRun(run_id, experiment, name, self.folder / run_id)
            run.parent = parent
            self.runs.append(run)
        try:
            yield run
        except BaseException as error:
            run.state = "KILLED" if isinstance(error, JobCancelled | Interrupted) else "FAILED"
            raise
        run.state = "FINISHED"

    def close(self, run_id: str, *, was_cancelled: bool) -> None:
        for run in self.runs:
            if run.run_id == run_id and run.state == "RUNNING":
                run.state = "KILLED" if was_cancelled else "FAILED"


class FakeRegistry:
    """Versions in memory. Give it the tracker's folder: a version's path is where its run logged the bundle."""

    def __init__(self, folder: Path, clock: FakeClock | None = None) -> None:
        self._folder = folder
        self._clock = clock or FakeClock()
        self._versions: dict[str, ModelVersion] = {}
        self.champions: dict[str, str] = {}

    def forget(self) -> None:
        """Lose everything, as MLflow does when its database is deleted."""
        self._versions.clear()
        self.champions.clear()

    def next_number(self, project_key: str) -> int:
        return 1 + max((version.number for version in self._of(project_key)), default=0)

    def register(
        self,
        project_key: str,
        *,
        number: int,
        run_id: str,
        artifact_path: str,
        method: Method,
        snapshot_id: str,
        label_config_fingerprint: str,
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        name = ModelVersion.name_of(project_key, number)
        if number < self.next_number(project_key):
            raise JobError(f"version {number} of {project_key} was taken meanwhile")
        self._versions[name] = ModelVersion(
            name=name,
            number=number,
            project_key=project_key,
            method=method,
            snapshot_id=snapshot_id,
            path=self._folder / run_id / artifact_path,
            run_id=run_id,
            label_config_fingerprint=label_config_fingerprint,
            created_at=self._clock(),
            metrics=dict(metrics),
        )
        return self._versions[name]

    def project_keys(self) -> list[str]:
        return sorted({version.project_key for version in self._versions.values()})

    def versions(self, project_key: str) -> list[ModelVersion]:
        champion = self.champions.get(project_key)
        found = [dataclasses.replace(each, is_champion=each.name == champion) for each in self._of(project_key)]
        return sorted(found, key=lambda version: version.number, reverse=True)

    def fetch(self, version: ModelVersion) -> None:
        """Nothing: all files lie on this machine."""

    def set_champion(self, project_key: str, version: str | None) -> str | None:
        before = self.champions.pop(project_key, None)
        if version is not None and version not in self._versions:
            raise ModelNotFound(f"MLflow knows no model {version!r}")
        if version is not None:
            self.champions[project_key] = version
        return before

    def _of(self, project_key: str) -> list[ModelVersion]:
        return [version for version in self._versions.values() if version.project_key == project_key]


def register_version(
    registry: ModelRegistry | ModelVersions, project_key: str, *, number: int | None = None, **facts: Any
) -> ModelVersion:
    """The next version of a project, registered with plausible values.

    Args:
        facts: arguments of `register` that matter to the test.
    """
    plausible = {
        "run_id": "run-1",
        "artifact_path": "bundle",
        "method": Method.REGRESSION,
        "snapshot_id": "0123456789abcdef",
        "label_config_fingerprint": "0123456789ab",
        "metrics": {"test_macro_f1": 0.8},
    }
    return registry.register(project_key, number=number or registry.next_number(project_key), **{**plausible, **facts})
