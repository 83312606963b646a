"""A home folder with a trained version that serves a project, made by the real commands, without any Label Studio."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.banking77_export import label_config, sampled, studio_export
from benchmarks.support.texts import Dataset
from ml_backend.bootstrap import build_services
from ml_backend.domain.model import PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, SplitFractions
from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.labelstudio.plans import plan_of
from ml_backend.options import PREFIX, Options
from ml_backend.snapshots.store import write_snapshot
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.exporting.row_source import RowSource
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services

__all__ = ["PROJECT_ID", "ServedHome", "clean_environment"]

PROJECT_ID = 1
ALL_TRAIN = SplitFractions(1.0, 0.0, 0.0)  # no task is blind, so every one that is asked about is answered by the model
ROWS_PER_CLASS, QUICK_ROWS_PER_CLASS = 10, 3
WORKING_STAGES = ("embedding", "comparing", "training")
JOB_STARTS_S = 120.0


def clean_environment(settings: Options) -> dict[str, str]:
    """The environment of a process with these settings and none of the user's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**inherited, **settings.environment()}


@dataclass(frozen=True)
class ServedHome:
    """One project in a home folder.

    Attributes:
        is_quick: trainings are as short as they can be.
    """

    folder: Path
    dataset: Dataset
    is_quick: bool

    def settings(self, **own: object) -> Options:
        """Settings of this home, the defaults in all else; no Label Studio is ever called."""
        quiet: dict[str, Any] = {
            "retrain_after": 0,
            "auto_push": False,
            "audit_after_training": False,
            "text_base_model": "",
        }
        return Options(**(quiet | {"home": self.folder, "split": ALL_TRAIN} | own))

    @cached_property
    def services(self) -> Services:
        """What this process needs of the home."""
        return build_services(self.settings())

    @cached_property
    def label_config(self) -> str:
        """The project's."""
        return label_config(self.dataset.labels)

    @cached_property
    def project(self) -> Project:
        """As the backend knows it once Label Studio has asked for predictions."""
        return remember_project(self.services, PROJECT_ID, self.label_config, split=ALL_TRAIN)

    @cached_property
    def version(self) -> str:
        """A version of LoRA that serves; trained where there is none yet."""
        version = self.train(seed=1)
        self.promote(version)
        return version

    @cached_property
    def other_version(self) -> str:
        """Another one, which does not serve."""
        return self.train(seed=2)

    @property
    def bundle(self) -> Path:
        """Folder of the version that serves."""
        return self.services.versions.get(self.version).path

    @property
    def runtime(self) -> str:
        """What a server chose to compute by, once one has loaded a version; `torch` where there is no graph."""
        try:
            chosen = json.loads((self.folder / "graphs" / "runtimes.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return "torch"
        return ", ".join(sorted(set(chosen.values())))

    def train(self, *, seed: int) -> str:
        """Train LoRA on ten rows a class by `labelloop train`; returns the new version."""
        # One fold, since each takes a training, and it is not the calibration that is looked at here.
        settings = ["suspects=keep", "fold_rows=1", *(["epochs=1", "adversarial_size=0"] if self.is_quick else [])]
        arguments = ["--method", "lora", "--seed", str(seed), *(f"--set={setting}" for setting in settings)]
        folder = self._few_rows().path
        print(f"training a version to serve (seed {seed})", file=sys.stderr, flush=True)
        done = self.command("train", "--snapshot", str(folder), *arguments, "--json")
        return str(json.loads(done.stdout)["model_version"])

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A finished `labelloop` command in this home; ends the program where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "ml_backend", *arguments],
            env=clean_environment(self.settings()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"labelloop {arguments[0]}: {done.stderr[-2000:]}")
        return done

    def promote(self, version: str) -> None:
        """Make a version champion as a promotion does, without the predictions that it would push."""
        promotions, project = self.services.database.promotions, self.project
        # The lock of promotions, so that the worker of a server does not finish what it finds half-done.
        while True:
            with self.services.database.locks.attempt(f"promotion-{project.id}") as is_free:
                if not is_free:
                    time.sleep(0.05)
                    continue
                promotion = promotions.begin(
                    project.id,
                    version,
                    previous=self.services.versions.serving(project),
                    reason="benchmark",
                    is_forced=True,
                )
                promotion = promotions.commit(promotion, project.ref.key)
                promotions.advance(promotion, PromotionState.DONE)
                return

    @contextmanager
    def training_beside(self) -> Iterator["TrainingBeside"]:
        """A real training job on the whole training file, claimed and launched by the worker of a server that runs.

        It is at work when the block begins, another one follows where it ends early, and it is cancelled at the end.
        """
        job = TrainingBeside(self)
        job.ensure()
        try:
            yield job
        finally:
            job.cancel()

    def _few_rows(self) -> Snapshot:
        per_class = QUICK_ROWS_PER_CLASS if self.is_quick else ROWS_PER_CLASS
        return self.snapshot(sampled(self.dataset.train, per_class, seed=1), "few")

    def snapshot(self, rows: list[tuple[str, str]], name: str) -> Snapshot:
        """The rows, all for training, as a snapshot of the project."""
        export = self.folder / f"{name}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        export.write_text(json.dumps(studio_export(rows)), encoding="utf-8")
        source = RowSource.of_file(self.services, export, plan_of(self.project), FileNotes())
        settings = source.settings(ALL_TRAIN)
        return write_snapshot(
            self.folder / "snapshots",
            source.build(settings),
            project=self.project.ref,
            config=source.plan.config,
            settings=settings,
            seed=1,
            created_at=self.services.clock(),
        )


class TrainingBeside:
    """A training job in its working stages.

    Attributes:
        stages: that the job was seen in while measurements ran.
    """

    def __init__(self, home: ServedHome) -> None:
        self._home = home
        self._snapshot = home.snapshot(list(home.dataset.train), "whole").path
        self._seed = 0
        self._job_id = 0
        self.stages: dict[str, int] = {}

    def ensure(self) -> None:
        """Return once a job is at work."""
        deadline = time.monotonic() + JOB_STARTS_S
        while (stage := self._stage()) not in WORKING_STAGES:
            if stage is None:
                self._seed += 1
                wanted = TrainJob(
                    trigger="command",
                    base_model=self._home.settings().models.base_model,
                    seed=self._seed,
                    snapshot=str(self._snapshot),
                )
                services = self._home.services
                job, _ = wanted.request(services, 0)
                self._job_id = job.id
            if time.monotonic() > deadline:
                raise SystemExit(f"the training job did not get to work within {JOB_STARTS_S:g} s (stage {stage!r})")
            time.sleep(0.2)
        self.stages[stage] = self.stages.get(stage, 0) + 1

    def cancel(self) -> None:
        """Stop the job and wait for its end."""
        jobs = self._home.services.database.jobs
        jobs.cancel(self._job_id)
        deadline = time.monotonic() + 60
        while not jobs.get(self._job_id).state.is_over and time.monotonic() < deadline:
            time.sleep(0.2)

    def _stage(self) -> str | None:
        """The running job's stage; None where no job runs or waits."""
        if not self._job_id:
            return None
        job = self._home.services.database.jobs.get(self._job_id)
        if job.state.is_over and job.error:
            raise SystemExit(f"the training job failed: {job.error}")
        return None if job.state.is_over else job.stage or ""
