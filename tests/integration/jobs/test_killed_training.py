"""Worker and child killed while a training runs: whatever the moment, it ends as one succeeded job."""

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from ml_backend.bootstrap import build_services
from ml_backend.domain.job import Job, JobState
from ml_backend.options import Options
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services
from tests.backend_process import WorkerProcess, command, running_worker
from tests.integration.tickets import CONFIG, write_export
from tests.tiny_models import save_tiny_model

SETTINGS = {"epochs": "6"}
TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Bench:
    """A home folder with a snapshot, and what an undisturbed training of it gave.

    Attributes:
        seconds: from the job's request to its end.
    """

    home: Path
    snapshot: Path
    base_model: str
    services: Services
    wanted: dict[str, Any]
    seconds: float

    def request(self, name: str) -> Job:
        out = str(self.snapshot.with_name(f"model-{name}"))
        snapshot = str(self.snapshot)
        wanted = TrainJob(
            trigger="test", base_model=self.base_model, seed=1, overrides=SETTINGS, snapshot=snapshot, out=out
        )
        return wanted.request(self.services, 0)[0]

    def worker(self, **environment: str) -> AbstractContextManager[WorkerProcess]:
        # Named, because the fixture below is made before a test's own environment; features differ by runtime.
        always = {"LABELLOOP_BASE_MODEL": self.base_model, "LABELLOOP_RUNTIME": "torch"}
        return running_worker(self.home, environment={**always, **environment})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("killed")
    home = folder / "home"
    export = write_export(folder / "tickets.json", rows=160)
    base = save_tiny_model("bert", folder / "tiny")
    source = ["--studio-export", str(export), "--config", str(CONFIG), "--split", "0.6,0.2,0.2"]
    made = command(home, "export", *source, "--out", str(folder / "snapshot"), "--json")
    assert made.returncode == 0, made.stderr
    services = build_services(Options(home=home))
    first = Bench(home, folder / "snapshot", base, services, {}, 0.0)
    with first.worker():
        started = time.monotonic()
        job = ended(services, first.request("undisturbed"))
        seconds = time.monotonic() - started
    assert job.state is JobState.SUCCEEDED, job.error
    yield Bench(home, folder / "snapshot", base, services, dict(job.result), seconds)
    services.close()


def ended(services: Services, job: Job) -> Job:
    deadline = time.monotonic() + TIMEOUT_S
    while not (job := services.database.jobs.get(job.id)).state.is_over:
        assert time.monotonic() < deadline, f"job {job.id} is {job.state} ({job.stage}, {job.message}) after all"
        time.sleep(0.1)
    return job


def kill_child(services: Services, job: Job) -> None:
    """As a machine does that loses its power: no process gets to say a word."""
    pid = services.database.jobs.get(job.id).pid
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def same(found: Any, wanted: Any) -> bool:
    """Equal within noise: the order in which threads add numbers differs from run to run."""
    return bool(json.loads(json.dumps(found)) == pytest.approx(json.loads(json.dumps(wanted)), abs=2e-3))


def assert_nothing_is_left(bench: Bench) -> None:
    """Every registered version belongs to a job that succeeded, and no run is left open."""
    jobs = bench.services.database.jobs.newest(limit=1000)
    made = {job.result["model_version"] for job in jobs if job.state is JobState.SUCCEEDED}
    versions = bench.services.versions.all("tickets-0")
    assert {version.name for version in versions} == made
    assert len(versions) == len([job for job in jobs if job.state is JobState.SUCCEEDED])
    client = MlflowClient(f"sqlite:///{bench.home / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'tickets-0'")
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} <= {"FINISHED", "KILLED"}
    assert [path for path in (bench.home / "jobs").iterdir() if path.is_dir()] == []


def test_a_training_killed_at_random_moments_ends_as_one_that_was_not(bench: Bench, is_long: bool) -> None:
    moments = random.Random(21)
    for number, deaths in enumerate([*[1] * 10, 10] if is_long else [1]):
        job = bench.request(f"killed-{number}")
        for _ in range(deaths):
            # Long enough for a child to load what it needs, so that most attempts get on.
            moment = moments.uniform(0.3, 0.9) * bench.seconds
            with bench.worker(LABELLOOP_JOB_ATTEMPTS="20") as worker:
                time.sleep(moment)
                worker.kill()
                kill_child(bench.services, job)
        with bench.worker(LABELLOOP_JOB_ATTEMPTS="20"):
            job = ended(bench.services, job)

        assert job.state is JobState.SUCCEEDED, f"killed {deaths} times, last after {moment:.1f} s: {job.error}"
        assert same(job.result["metrics"]["validation"], bench.wanted["metrics"]["validation"])
        assert same(job.result["metrics"]["test"], bench.wanted["metrics"]["test"])
        assert job.result["method"] == bench.wanted["method"]
    assert_nothing_is_left(bench)


@pytest.mark.long
def test_a_training_by_two_processes_that_loses_the_first_ends_as_one_that_was_not_killed(bench: Bench) -> None:
    job = bench.request("two")
    with bench.worker(LABELLOOP_TRAIN_PROCESSES="2"):
        deadline = time.monotonic() + TIMEOUT_S
        while "2 processes" not in ((now := bench.services.database.jobs.get(job.id)).message or ""):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        first = psutil.Process(now.pid)
        others = first.children(recursive=True)
        first.kill()
        assert not psutil.wait_procs(others, 30)[1]
        job = ended(bench.services, job)

    assert others
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2), job.error
    assert same(job.result["metrics"]["validation"], bench.wanted["metrics"]["validation"])
    assert_nothing_is_left(bench)


def test_a_worker_that_is_killed_alone_leaves_its_child_at_work(bench: Bench) -> None:
    job = bench.request("orphan")
    with bench.worker() as worker:
        deadline = time.monotonic() + TIMEOUT_S
        while bench.services.database.jobs.get(job.id).pid is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.kill()
    job = ended(bench.services, job)

    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1), job.error


def test_a_cancelled_training_leaves_nothing(bench: Bench) -> None:
    job = bench.request("cancelled")
    with bench.worker():
        deadline = time.monotonic() + TIMEOUT_S
        while "epoch" not in str(bench.services.database.jobs.get(job.id).checkpoint.get("saved")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        bench.services.database.jobs.cancel(job.id)
        job = ended(bench.services, job)

    assert job.state is JobState.CANCELLED
    folder = bench.home / "jobs" / str(job.id)
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run = MlflowClient(f"sqlite:///{bench.home / 'mlflow.db'}").get_run(str(job.checkpoint["run_id"]))
    assert run.info.status == "KILLED"
    assert run.info.run_id not in {version.run_id for version in bench.services.versions.all("tickets-0")}
