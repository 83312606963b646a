"""Two servers behind one address, two workers, PostgreSQL, an MLflow server and a real Label Studio: all as processes.

The topology of the compose file without containers; the gateway runs the compose file's own configuration.
"""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.annotation import Task
from ml_backend.domain.job import Job, JobState
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.options import Options
from ml_backend.workflows.services import Services
from tests.backend_process import Backend, WorkerProcess, command, get, post, running_backend, running_worker
from tests.gateway import running_gateway
from tests.mlflow_server import MlflowServer
from tests.postgres import new_database
from tests.running import until
from tests.studio import choice, project_with_tasks
from tests.tiny_models import save_tiny_model

TICKETS = load_tickets()[:120]
UNLABELED = 10
LABELS = {ticket.text: ticket.label for ticket in TICKETS}


@dataclass
class Installation:
    """What runs, and what the test looks at it with."""

    home: Path
    environment: dict[str, str]
    services: Services
    servers: list[Backend]
    workers: list[WorkerProcess]
    gateway: str
    logs: Path


@pytest.fixture(scope="module")
def installation(
    studio: LocalStudio, postgres_url: str, mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("topology")
    home, ports = folder / "home", [free_port(), free_port()]
    base = save_tiny_model("bert", folder / "tiny")
    with ExitStack() as stack:
        gateway = stack.enter_context(running_gateway(folder / "gateway", ports))
        settings = Options(
            home=home,
            database_url=new_database(postgres_url, "topology"),
            mlflow_url=mlflow_server.url,
            public_url=gateway,
            studio_url=studio.url,
            studio_token=studio.token,
            base_model=base,
            retrain_after=0,
        )
        environment = settings.environment()
        servers = [
            stack.enter_context(running_backend(home, "--no-worker", port=port, environment=environment))
            for port in ports
        ]
        workers = [stack.enter_context(running_worker(home, environment=environment)) for _ in range(2)]
        services = build_services(settings)
        yield Installation(home, environment, services, servers, workers, gateway, folder / "gateway")
        services.close()


@pytest.fixture(scope="module")
def project_id(installation: Installation, studio_client: StudioClient) -> int:
    """A project that was connected through the gateway."""
    project = project_with_tasks(studio_client, list(LABELS), title="Topology")
    connected = command(installation.home, "connect", str(project.id), environment=installation.environment)
    assert connected.returncode == 0, connected.stderr
    return project.id


class Traffic(threading.Thread):
    """Asks for predictions, one request after the other, and keeps what went wrong."""

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.ask = ask
        self.answers = 0
        self.failures: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            try:
                self.ask()
                self.answers += 1
            except Exception as error:  # whatever it is, somebody would have noticed
                self.failures.append(repr(error))


def _submit(client: StudioClient, task: Task) -> None:
    client.submit_annotation(task.id, {"result": choice(LABELS[str(task.data["text"])])})


def _upstreams(installation: Installation) -> set[int]:
    """Ports that the gateway has had answers from."""
    log = (installation.logs / "access.log").read_text()
    return {int(port) for port in re.findall(r"from [^\n]*127\.0\.0\.1:(\d+)$", log, re.MULTILINE)}


def test_a_server_is_killed_and_nobody_notices(
    installation: Installation, project_id: int, studio_client: StudioClient
) -> None:
    config = studio_client.project(project_id).label_config
    tasks = [{"id": number, "data": {"text": words}} for number, words in enumerate(list(LABELS)[:5])]
    body = {"project": f"{project_id}.1700000000", "label_config": config, "tasks": tasks}
    versions: set[str] = set()

    def predict() -> None:
        results = post(f"{installation.gateway}/predict", body)["results"]
        assert len(results) == len(tasks)
        versions.update(result["model_version"] for result in results)

    labeled = list(studio_client.tasks_without_prediction(project_id, "no such version"))[:20]
    events = installation.services.database.events
    crowd = [Traffic(predict) for _ in range(4)]
    for each in crowd:
        each.start()
    until(lambda: len(_upstreams(installation)) == 2, "an answer of each server")
    for number, task in enumerate(labeled):
        if number == len(labeled) // 2:
            installation.servers[0].kill()
        _submit(studio_client, task)
    answered = [each.answers for each in crowd]
    until(lambda: all(each.answers > before + 20 for each, before in zip(crowd, answered, strict=True)), "traffic")
    for each in crowd:
        each.stopped.set()
        each.join(30)

    assert [each.failures for each in crowd] == [[], [], [], []]
    assert len(versions) == 1
    until(lambda: len(events.history(project_id)) == len(labeled), "an event for every annotation")


def test_a_worker_is_killed_and_its_job_finishes_on_the_other(
    installation: Installation, project_id: int, studio_client: StudioClient
) -> None:
    for task in list(studio_client.tasks_without_prediction(project_id, "no such version"))[:-UNLABELED]:
        _submit(studio_client, task)
    jobs = installation.services.database.jobs
    (row,) = studio_client.backends(project_id)
    studio_client.start_training(int(row["id"]))

    def at_work() -> Job | None:
        job = jobs.last("train", project_id)
        assert job is None or not job.state.is_over, job
        return job if job and job.pid and "fold" in str(job.checkpoint.get("saved")) else None

    job: Job = until(at_work, "a training that has left a checkpoint")
    owner = psutil.Process(job.pid).ppid()
    (killed,) = [worker for worker in installation.workers if worker.process.pid == owner]
    (other,) = [worker for worker in installation.workers if worker is not killed]
    killed.kill()
    os.killpg(job.pid or 0, signal.SIGKILL)
    taken_up = until(lambda: (found := jobs.get(job.id)).attempt == 2 and found.pid and found, "a second attempt")
    parent = psutil.Process(taken_up.pid).ppid()
    done = until(lambda: (found := jobs.get(job.id)).state.is_over and found, "the end of the training")

    assert done.state is JobState.SUCCEEDED, done.error
    assert (done.attempt, parent) == (2, other.process.pid)
    version = done.result["model_version"]
    assert [found.name for found in installation.services.versions.all(version.rpartition("-v")[0])] == [version]


def test_a_server_that_comes_back_serves_what_was_promoted_meanwhile(
    installation: Installation, project_id: int, studio_client: StudioClient
) -> None:
    services = installation.services
    key = services.database.projects.get(project_id).ref.key
    (version,) = [found.name for found in services.versions.all(key)]
    arguments = ["models", "promote", version, "--force", "--reason", "for the test"]
    champion = services.versions.champion(key)
    if champion is None or champion.name != version:
        promoted = command(installation.home, *arguments, environment=installation.environment)
        assert promoted.returncode == 0, promoted.stderr
    first = installation.servers[0]
    with running_backend(
        installation.home, "--no-worker", port=int(first.url.rpartition(":")[2]), environment=installation.environment
    ) as back:
        for url in (back.url, installation.servers[1].url, installation.gateway):
            until(lambda url=url: get(f"{url}/versions")["versions"] == [version], f"{version} at {url}")
    assert studio_client.project(project_id).model_version == version
