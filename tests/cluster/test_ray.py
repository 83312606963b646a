"""Work on a Ray cluster: several nodes on this machine, each with its own raylet, one of which is lost.

Skipped without Ray: `pip install 'labelloop[ray]'`, then `scripts/test --cluster`.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_backend.bootstrap import build_services
from ml_backend.domain.job import Job, JobState
from ml_backend.jobs.launcher import log_path
from ml_backend.options import Options
from ml_backend.workflows.bulk.run import BulkRequest, predict_in_bulk
from ml_backend.workflows.bulk.shard import ShardWork
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.worker import Worker
from ml_backend.workflows.services import Services
from tests.backend_process import command
from tests.bulk_workers import DeadlyWorker
from tests.cluster.nodes import Nodes
from tests.integration.tickets import CONFIG, write_export
from tests.tiny_models import save_tiny_model
from tests.trained_parts import MANIFEST, random_head, softmax_part, write_bundle

pytest.importorskip("ray", reason="Ray is not installed: pip install 'labelloop[ray]'")
# Ray's own libraries warn about each other.
pytestmark = pytest.mark.filterwarnings("ignore")

TIMEOUT_S = 400.0
TEXTS = 120


@pytest.fixture
def services(nodes: Nodes, tmp_path: Path) -> Iterator[Services]:
    options = Options(
        home=tmp_path / "home",
        launcher="ray",
        ray_address=nodes.cluster.address,
        base_model=save_tiny_model("bert", tmp_path / "tiny"),
        runtime="torch",
    )
    made = build_services(options)
    yield made
    made.close()


@pytest.fixture
def job(services: Services, tmp_path: Path) -> Job:
    """A training of some seconds, that waits for a worker."""
    export = write_export(tmp_path / "tickets.json", rows=160)
    source = ["--studio-export", str(export), "--config", str(CONFIG), "--split", "0.6,0.2,0.2"]
    made = command(services.options.home, "export", *source, "--out", str(tmp_path / "snapshot"))
    assert made.returncode == 0, made.stderr
    wanted = TrainJob(
        trigger="test",
        base_model=services.options.models.base_model,
        method="lora",
        seed=1,
        overrides={"epochs": "12"},
        snapshot=str(tmp_path / "snapshot"),
        out=str(tmp_path / "model"),
    )
    return wanted.request(services, 0)[0]


def at_work(services: Services, worker: Worker, job: Job, condition: Any) -> Job:
    """The job, once the condition holds for it; the worker works meanwhile."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition(job := services.database.jobs.get(job.id)):
        log = log_path(services.options.home, job.id)
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        assert not job.state.is_over, f"{job.state}: {job.error}\n{said}"
        assert time.monotonic() < deadline, f"job {job.id} is {job.state} ({job.stage}, {job.message})\n{said}"
        worker.step()
        time.sleep(0.2)
    return job


def until_idle(worker: Worker) -> None:
    """Let the worker see that its processes have ended."""
    deadline = time.monotonic() + 30
    while not worker.is_idle:
        assert time.monotonic() < deadline
        worker.step()
        time.sleep(0.2)


def is_at_work(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until_gone(pid: int | None) -> None:
    deadline = time.monotonic() + 30
    while is_at_work(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.1)


def test_a_training_whose_node_is_lost_goes_on_elsewhere_and_ends_as_one_job(
    nodes: Nodes, services: Services, job: Job
) -> None:
    worker = Worker(services)
    first = at_work(services, worker, job, lambda job: job.checkpoint.get("saved"))
    assert first.host is not None
    assert first.host.startswith("ray ")
    assert first.host.split()[-1] == nodes.nodes[0].node_id[:8]

    nodes.lose(first.host.split()[-1])
    waiting = at_work(services, worker, job, lambda job: job.attempt == 2)
    nodes.add()
    last = at_work(services, worker, waiting, lambda job: job.state is JobState.SUCCEEDED)

    until_gone(first.pid)
    until_idle(worker)
    assert last.host is not None
    assert last.host.split()[-1] == nodes.nodes[0].node_id[:8] != first.host.split()[-1]
    assert [each.id for each in services.database.jobs.newest(limit=9)] == [job.id]
    assert [version.name for version in services.versions.all("snapshot-0") or services.versions.all("tickets-0")] == [
        last.result["model_version"]
    ]
    until_gone(last.pid)


def test_a_cancelled_job_ends_on_its_node_and_leaves_nothing(nodes: Nodes, services: Services, job: Job) -> None:
    from ray.util import list_named_actors

    worker = Worker(services)
    running = at_work(services, worker, job, lambda job: job.progress > 0)
    services.database.jobs.cancel(job.id)

    at_work(services, worker, job, lambda job: job.state is JobState.CANCELLED)

    until_gone(running.pid)
    until_idle(worker)
    deadline = time.monotonic() + 30
    while list_named_actors(all_namespaces=True):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_actors_that_die_lose_and_double_nothing(nodes: Nodes, tmp_path: Path) -> None:
    part = softmax_part(tmp_path / "part", random_head(3, 4), ["Billing", "Shipping", "Returns"], control="category")
    bundle = write_bundle(tmp_path / "model", MANIFEST, [part], trained_on=[]).path
    lines = [json.dumps({"id": number, "data": {"text": f"text {number}"}}) for number in range(TEXTS)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines))
    (tmp_path / "marks").mkdir()
    request = BulkRequest(str(tmp_path / "tasks.jsonl"), str(tmp_path / "out"), "jsonl", "ray", 2, 0.001)
    work = ShardWork(request.tasks, request.out, request.format, tmp_path, "torch")
    options = Options(home=tmp_path / "home", ray_address=nodes.cluster.address, ray_resources="predict:cpu=0.5")

    manifest = predict_in_bulk(options, bundle, request, open_with=DeadlyWorker(work, tmp_path / "marks"))

    assert {path.name for path in (tmp_path / "marks").iterdir()} == {"before", "after"}
    shards = [tmp_path / "out" / shard["name"] for shard in manifest["shards"]]
    found = [json.loads(line)["id"] for shard in shards for line in shard.read_text("utf-8").splitlines()]
    assert found == list(range(TEXTS))
