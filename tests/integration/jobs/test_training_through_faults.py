"""A training whose database, or MLflow's, is away for some seconds while it runs."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.domain.job import Job, JobState
from ml_backend.errors import DatabaseUnavailable
from ml_backend.options import Options
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services
from tests.backend_process import command, running_worker
from tests.integration.tickets import CONFIG, write_export
from tests.postgres import StoppablePostgres
from tests.tiny_models import save_tiny_model

AWAY_S = 8.0
TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Bench:
    """A snapshot to train on, with state and MLflow in two databases that can be taken away."""

    settings: Options
    services: Services
    snapshot: Path

    def start(self) -> Job:
        wanted = TrainJob(
            trigger="test",
            base_model=self.settings.models.base_model,
            seed=1,
            overrides={"epochs": "6"},
            snapshot=str(self.snapshot),
        )
        return wanted.request(self.services, 0)[0]

    def now(self, job: Job) -> Job:
        while True:
            try:
                return self.services.database.jobs.get(job.id)
            except DatabaseUnavailable:
                time.sleep(0.1)

    def until(self, job: Job, condition: Callable[[Job], bool]) -> Job:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition(job := self.now(job)):
            assert time.monotonic() < deadline, f"job {job.id} is {job.state} ({job.stage}, {job.message})"
            time.sleep(0.05)
        return job


@pytest.fixture
def bench(tmp_path: Path, stoppable_postgres: StoppablePostgres) -> Iterator[Bench]:
    home = tmp_path / "home"
    export = write_export(tmp_path / "tickets.json", rows=160)
    source = ["--studio-export", str(export), "--config", str(CONFIG), "--split", "0.6,0.2,0.2"]
    made = command(home, "export", *source, "--out", str(tmp_path / "snapshot"), "--json")
    assert made.returncode == 0, made.stderr
    settings = Options(
        home=home,
        database_url=stoppable_postgres.url,
        mlflow_url=f"sqlite:///{home / 'mlflow.db'}?timeout=0.2",
        base_model=save_tiny_model("bert", tmp_path / "tiny"),
        job_patience_s=63.0,
    )
    services = build_services(settings)
    yield Bench(settings, services, tmp_path / "snapshot")
    services.close()


@contextmanager
def mlflow_locked(home: Path) -> Iterator[None]:
    with closing(sqlite3.connect(home / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


def test_a_training_waits_for_its_databases_and_ends_well(bench: Bench, stoppable_postgres: StoppablePostgres) -> None:
    with running_worker(bench.settings.home, environment=bench.settings.environment()):
        job = bench.start()
        bench.until(job, lambda job: "run_id" in job.checkpoint)
        with mlflow_locked(bench.settings.home):
            waiting = bench.until(job, lambda job: job.stage == "waiting")
        bench.until(job, lambda job: job.stage != "waiting")
        stoppable_postgres.stop()
        time.sleep(AWAY_S)
        stoppable_postgres.start()
        job = bench.until(job, lambda job: job.state.is_over)

    assert waiting.message.startswith("trying again in 1 s (1 of 6): MLflow at sqlite:///")
    assert (job.state, job.error, job.attempt) == (JobState.SUCCEEDED, None, 1)
    assert job.result["model_version"] == "tickets-0-v1"
    assert [version.name for version in bench.services.versions.all("tickets-0")] == ["tickets-0-v1"]
