"""One real Label Studio for the whole test run, and what makes projects in it."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from ml_backend.domain.annotation import ProjectInfo
from ml_backend.domain.ports import Studio
from ml_backend.errors import ConfigurationError
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.tasks import template_path
from tests.one_per_run import one_per_run
from tests.running import serving

__all__ = [
    "RunningStudio",
    "StubBackend",
    "choice",
    "project_with_tasks",
    "stub_backend",
    "studio",
    "studio_client",
    "task_ids",
]

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PASSWORD = "only-for-tests-1"


@pytest.fixture(scope="session")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["RunningStudio"]:
    """A Label Studio that all tests of the run share: make a new project in it for each test.

    An empty database takes it half a minute, so one is kept in pytest's cache and copied.
    """
    try:
        executable = LocalStudio.find_executable()
    except ConfigurationError as error:
        pytest.skip(str(error))

    @contextmanager
    def start() -> Iterator[dict[str, Any]]:
        folder = tmp_path_factory.mktemp("label-studio")
        cache = request.config.cache
        kept = (cache.mkdir("label-studio") if cache else folder) / str(Path(executable).stat().st_mtime_ns)
        if not kept.exists():
            _keep_empty_database(kept, folder / "first", executable)
        shutil.copytree(kept, folder / "data")
        with _started(folder / "data", executable) as running:
            yield {"url": running.url, "email": running.email, "pid": running.pid}

    with one_per_run(tmp_path_factory, "label-studio", start) as facts:
        yield RunningStudio(facts["url"], TOKEN, facts["email"], PASSWORD, facts["pid"])


@dataclass(frozen=True)
class RunningStudio:
    """The facts about a Label Studio that another process may have started."""

    url: str
    token: str
    email: str
    password: str
    pid: int


def _started(data_dir: Path, executable: str) -> LocalStudio:
    return LocalStudio.start(
        data_dir,
        free_port(),
        executable=executable,
        token=TOKEN,
        password=PASSWORD,
        log_file=data_dir.with_suffix(".log"),
        timeout_s=300,
    )


def _keep_empty_database(kept: Path, data_dir: Path, executable: str) -> None:
    _started(data_dir, executable).stop()
    copy = kept.with_suffix(".part")
    shutil.rmtree(copy, ignore_errors=True)  # of a run that was killed
    shutil.copytree(data_dir, copy)
    copy.rename(kept)


@pytest.fixture(scope="session")
def studio_client(studio: RunningStudio) -> Iterator[StudioClient]:
    """A client of that Label Studio, as its first user."""
    client = StudioClient(studio.url, studio.token)
    yield client
    client.close()


def project_with_tasks(
    client: Studio,
    texts: Sequence[str] = (),
    *,
    title: str = "Tickets",
    label_config: str | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
) -> ProjectInfo:
    """A new project with one task per text, and then the given tasks in Label Studio's import format.

    Args:
        label_config: None: the classification template.
    """
    config = label_config or template_path("classification").read_text()
    project = client.create_project(title, config)
    items = [{"data": {"text": text}} for text in texts] + [dict(task) for task in tasks]
    if items:
        assert client.import_tasks(project.id, items) == len(items)
    return project


def task_ids(client: Studio, project_id: int) -> list[int]:
    """Ids of a project's unlabeled tasks, in the order of their import."""
    return [task.id for task in client.tasks_without_prediction(project_id, "no such version")]


def choice(label: str, *, control: str = "category") -> list[dict[str, Any]]:
    """A result that ticks one label, as the editor stores it."""
    return [{"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}}]


@dataclass
class StubBackend:
    """What an ML backend looks like to Label Studio, and nothing behind it.

    Attributes:
        received: every call as (path, Authorization header or None, body).
    """

    url: str
    received: list[tuple[str, str | None, Any]] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.received]


@contextmanager
def stub_backend(version: str = "stub-v1") -> Iterator[StubBackend]:
    """A backend on loopback that is healthy, names one version, and has an empty prediction for every task."""
    app = Flask("stub-backend")
    stub = StubBackend("")

    @app.before_request
    def record() -> None:
        stub.received.append((request.path, request.headers.get("Authorization"), request.get_json(silent=True)))

    @app.post("/predict")
    def predict() -> Any:
        entry = {"result": [], "score": 0.5, "model_version": version}
        return {"results": [entry for _ in request.get_json()["tasks"]]}

    @app.route("/health")
    @app.post("/setup")
    @app.post("/webhook")
    def rest() -> Any:
        return {"status": "UP", "model_version": version}

    with serving(app) as stub.url:
        yield stub
