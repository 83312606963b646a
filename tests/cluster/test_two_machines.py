"""Trainings on a cluster of two machines, which share PostgreSQL, MLflow, Label Studio and a folder, and nothing else.

Skipped without Ray, and where this process may not make network namespaces. The moments at which machines are lost are
random: `SEED=N` in the environment repeats those that a failure names.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.job import Job, JobState
from ml_backend.errors import StudioRejected
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.options import Options
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.services import Services
from tests.backend_process import running_backend
from tests.cluster.machines import Machines, machines_on_one
from tests.mlflow_server import MlflowServer
from tests.postgres import new_database
from tests.running import until
from tests.studio import choice, project_with_tasks
from tests.tiny_models import save_tiny_model

pytest.importorskip("ray", reason="Ray is not installed: pip install 'labelloop[ray]'")
# Ray's own libraries warn about each other, and programs that machines run end with these.
pytestmark = pytest.mark.filterwarnings("ignore")

TICKETS = load_tickets()[:160]
HOME = "/tmp/labelloop"
"""This folder has the same name on both machines, though each has a /tmp of its own."""
PATIENCE_S = 300.0
MOMENTS = 5
SEED = int(os.environ.get("SEED") or random.randrange(10**6))
TRAINED = 0.85
"""Share of the progress at which the training itself ends; what follows takes a moment."""
NOISE = 0.05
"""Difference of a metric that a training may make which was interrupted and went on."""


@dataclass
class Cluster:
    """Two machines with a worker on the head, and what the test asks for work with."""

    machines: Machines
    services: Services
    client: StudioClient
    environment: dict[str, str]

    def start_worker(self) -> None:
        """Run a worker on the head, and again whenever it ends."""
        self.machines.head.keep(sys.executable, "-m", "ml_backend", "worker", environment=self.environment)

    def training(self) -> Job:
        """A training of a new project, of the same labels as all others."""
        tasks = [
            {"data": {"text": ticket.text}, "annotations": [{"result": choice(ticket.label)}]} for ticket in TICKETS
        ]
        project = project_with_tasks(self.client, tasks=tasks, title="Cluster")
        self._connect(project.id)
        wanted = TrainJob(
            trigger="test",
            base_model=self.services.options.models.base_model,
            method="lora",
            seed=1,
            overrides={"epochs": "12", "suspects": "keep"},
        )
        return wanted.request(self.services, project.id)[0]

    def _connect(self, project_id: int) -> None:
        """Label Studio gives a backend 3 s to answer, in which a busy machine may not get round to it."""
        for attempt in range(5):
            try:
                connect(self.services, project_id)
            except StudioRejected:
                if attempt == 4:
                    raise
            else:
                return

    def job_once(self, job: Job, condition: Callable[[Job], object], what: str) -> Job:
        """The job, once a condition holds for it; it must not end before."""

        def look() -> Job | None:
            found = self.services.database.jobs.get(job.id)
            assert condition(found) or not found.state.is_over, (what, found)
            return found if condition(found) else None

        return until(look, what, timeout_s=PATIENCE_S)

    @contextmanager
    def on_node(self, progress: float) -> Iterator[Job]:
        """A training that has got so far on the node; the head takes no job during the block."""
        with self.machines.head_taken():
            job = self.training()
            self.job_once(job, lambda found: " node " in f"{found.host}", "a training on the node")
            yield self.job_once(job, lambda found: found.progress >= progress, f"{progress:.2f} of a training")

    def is_left_alone(self) -> bool:
        """True where nothing of a job is left on either machine."""
        both = (self.machines.head, self.machines.node)
        return not any(machine.jobs or machine.zombies for machine in both) and not self.machines.actors()


@pytest.fixture(scope="module")
def cluster(
    studio: LocalStudio,
    studio_client: StudioClient,
    postgres_url: str,
    mlflow_server: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    folder, port = tmp_path_factory.mktemp("cluster"), free_port()
    with ExitStack() as stack:
        machines = stack.enter_context(machines_on_one())
        machines.start()
        here = Options(
            home=folder / "home",
            database_url=new_database(postgres_url, "cluster"),
            mlflow_url=mlflow_server.url,
            studio_url=studio.url,
            studio_token=studio.token,
            public_url=f"http://localhost:{port}",
            base_model=save_tiny_model("bert", machines.shared / "tiny"),
            shared_url=str(machines.shared / "files"),
            launcher="ray",
            ray_address=machines.ray_address,
            retrain_after=0,
            audit_after_training=False,
            runtime="torch",
            job_heartbeat_timeout_s=10,
        )
        environment = here.environment() | {
            "LABELLOOP_HOME": HOME,
            **{
                f"LABELLOOP_{name}_URL": machines.reachable(url)
                for name, url in (
                    ("DATABASE", here.database),
                    ("MLFLOW", mlflow_server.url),
                    ("STUDIO", studio.url),
                )
            },
        }
        # Label Studio calls it while projects are connected.
        stack.enter_context(running_backend(here.home, "--no-worker", port=port, environment=here.environment()))
        services = build_services(here)
        stack.callback(services.close)
        made = Cluster(machines, services, studio_client, environment)
        made.start_worker()
        yield made


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster) -> Job:
    """A training that nothing happened to."""
    with cluster.on_node(0.0) as job:
        return cluster.job_once(job, succeeded, "an undisturbed training")


def succeeded(job: Job) -> bool:
    return job.state is JobState.SUCCEEDED


def is_again(job: Job) -> bool:
    return job.attempt == 2 or job.state is JobState.QUEUED


def is_on_head(job: Job) -> bool:
    return job.attempt == 2 and " head " in f"{job.host}"


@pytest.mark.parametrize("number", range(MOMENTS))
def test_a_training_is_one_whenever_its_machine_is_lost(cluster: Cluster, undisturbed: Job, number: int) -> None:
    moment, way = random.Random(SEED + number).uniform(0.03, TRAINED), ("power", "link")[number % 2]
    machines, jobs = cluster.machines, cluster.services.database.jobs
    with cluster.on_node(moment) as job:
        machines.node.kill() if way == "power" else machines.node.link("down")
    cut_at, after_s = time.monotonic(), {}
    for what, condition in (("queued again", is_again), ("goes on", is_on_head), ("succeeded", succeeded)):
        done = cluster.job_once(job, condition, f"a training that {what} (seed {SEED})")
        after_s[what] = round(time.monotonic() - cut_at)
    took_s = (undisturbed.finished_at - undisturbed.created_at).total_seconds()
    # Shown where the test fails, and with -s.
    print(f"\nseed {SEED}: {way} was cut at {job.progress:.2f} ({job.stage}); {after_s} s; undisturbed {took_s:.0f} s")  # noqa: T201

    assert done.attempt == 2
    assert " head " in f"{done.host}"
    assert [each.id for each in jobs.newest(project_id=job.project_id, limit=9) if each.kind == "train"] == [job.id]
    key = cluster.services.database.projects.get(job.project_id).ref.key
    assert [version.name for version in cluster.services.versions.all(key)] == [done.result["model_version"]]
    for split, metrics in undisturbed.result["metrics"].items():
        assert done.result["metrics"][split] == pytest.approx(metrics, abs=NOISE), split
    # The process that was cut off ends by itself, before anybody can hear of it again.
    until(lambda: not machines.node.jobs, "the end of a process that is cut off")
    machines.node.start() if way == "power" else machines.node.link("up")
    machines.wait_for(2)
    until(cluster.is_left_alone, "machines that nothing is left on")


def test_a_cancelled_training_leaves_nothing_on_its_machine(cluster: Cluster) -> None:
    with cluster.on_node(0.1) as job:
        cluster.services.database.jobs.cancel(job.id)
        cluster.job_once(job, lambda found: found.state is JobState.CANCELLED, "a cancelled training")

    until(cluster.is_left_alone, "machines that nothing is left on")


def test_a_lost_head_delays_a_training_and_loses_nothing(cluster: Cluster, undisturbed: Job) -> None:
    with cluster.on_node(0.3) as job:
        cluster.machines.head.kill()
    until(lambda: not cluster.machines.node.jobs, "the end of a process whose head is gone")
    waiting = cluster.training()

    cluster.machines.head.start()
    cluster.machines.wait_for(2)
    cluster.start_worker()

    for each in (job, waiting):
        done = cluster.job_once(each, succeeded, "a training after the head was lost")
        for split, metrics in undisturbed.result["metrics"].items():
            assert done.result["metrics"][split] == pytest.approx(metrics, abs=NOISE), split
    until(cluster.is_left_alone, "machines that nothing is left on")
