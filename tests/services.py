"""Services over a real database and fakes of everything outside."""

import atexit
import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ml_backend.bootstrap import prompted_server
from ml_backend.domain.annotation import ProjectInfo
from ml_backend.domain.job import JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.errors import BundleError
from ml_backend.hooks.manager import Hooks
from ml_backend.options import PREFIX, BackendOptions, Options
from ml_backend.serving.alarms import Alarms
from ml_backend.serving.champions import Champions
from ml_backend.serving.model_versions import ModelVersions
from ml_backend.storage.database import Database, open_database
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.fakes import FakeClock, FakePredictor, FakeRegistry, FakeTracker, register_version
from tests.inline_launcher import InlineLauncher
from tests.studio import choice

__all__ = [
    "BACKEND_URL",
    "CONFIG",
    "PredictorShelf",
    "add_project",
    "add_studio_project",
    "add_version",
    "build_test_services",
    "choice",
    "texts_in",
    "versions_in",
    "with_backend",
    "with_hook",
    "with_settings",
    "write_export",
]

BACKEND_URL = "http://localhost:9090"
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="Billing"/><Choice value="Shipping"/><Choice value="Returns"/>
  </Choices>
</View>"""
LABEL = "Billing"
DATABASE = "labelloop.db"
# No job of a test waits for something that will not come back, and none loads a language model or writes graphs.
QUIET: dict[str, Any] = {"job_patience_s": 0.0, "text_base_model": "", "runtime": "torch"}


class PredictorShelf:
    """Stands for loading a bundle: gives the predictor that was put there, an error for any other path."""

    def __init__(self) -> None:
        self._predictors: dict[Path, FakePredictor] = {}

    def put(self, path: Path, predictor: FakePredictor) -> None:
        self._predictors[path] = predictor

    def remove(self, path: Path) -> None:
        del self._predictors[path]

    def __call__(self, path: Path) -> FakePredictor:
        if path not in self._predictors:
            raise BundleError(f"{path} holds no manifest.json; give the folder of a trained version")
        return self._predictors[path]


class _LateServices:
    """The launcher needs the services, and they need the launcher."""

    services: Services

    def run(self, job_id: int) -> int:
        return 0 if run_job(self.services, job_id) is JobState.SUCCEEDED else 1


def build_test_services(
    tmp_path: Path,
    *,
    studio: FakeStudio | None = None,
    clock: FakeClock | None = None,
    backend: BackendOptions | None = None,
    database_url: str | None = None,
    mlflow: FakeRegistry | None = None,
    **options: Any,
) -> Services:
    """Services whose jobs run in-process, whose cold start answers `Billing`, and whose models are fakes.

    Args:
        database_url: None: a SQLite database of their own.
        mlflow: the record that MLflow would keep; None: a new one.
        options: settings that differ from their defaults.
    """
    clock = clock or FakeClock()
    home = tmp_path / "home"
    tracker = FakeTracker(tmp_path / "runs")
    load, late, alarms = PredictorShelf(), _LateServices(), Alarms()
    home.mkdir(exist_ok=True)
    database = open_database(database_url, clock) if database_url else _own_database(home, clock)
    mlflow = mlflow or FakeRegistry(tracker.folder, clock)
    versions = ModelVersions(database.versions, mlflow, home)
    chosen = Options(**QUIET | {"home": home} | ({"backend": backend} if backend else {}) | options)
    late.services = Services(
        options=chosen,
        database=database,
        studio=studio or FakeStudio(),
        tracker=tracker,
        versions=versions,
        launcher=InlineLauncher(late.run),
        champions=Champions(versions, load, _cold_start, alarms),
        load_predictor=load,
        cold_start=_cold_start,
        text_server=partial(prompted_server, chosen),
        clock=clock,
        alarms=alarms,
    )
    return late.services


def with_settings(services: Services, **settings: Any) -> Services:
    """The same services with some settings changed, by the settings' names."""
    values = {name.removeprefix(PREFIX).lower(): value for name, value in services.options.environment().items()}
    options = Options(**values | settings)
    return replace(services, options=options, text_server=partial(prompted_server, options))


def versions_in(home: Path) -> ModelVersions:
    """The versions of a new home folder, for tests that need nothing else of the services."""
    clock = FakeClock()
    return ModelVersions(_own_database(home, clock).versions, FakeRegistry(home, clock), home)


def with_backend(services: Services, backend: BackendOptions) -> Services:
    """The same services for a backend with another address or other credentials."""
    return replace(services, options=services.options.model_copy(update={"backend": backend}))


def with_hook(services: Services, plugin: object) -> Services:
    """The same services with this hook."""
    hooks = Hooks(5)
    hooks.register(plugin, type(plugin).__name__)
    return replace(services, hooks=hooks)


def write_export(services: Services, path: Path) -> Path:
    """The export of every task, as Label Studio writes it into a file."""
    path.write_text(json.dumps([services.studio.task_json(task_id) for task_id in services.studio.tasks]))
    return path


def add_studio_project(
    services: Services, texts: Sequence[str] = (), *, title: str = "Tickets", label_config: str = CONFIG
) -> ProjectInfo:
    """A project in the fake Label Studio with one task per text; the backend knows nothing of it."""
    info = services.studio.create_project(title, label_config)
    if texts:
        services.studio.import_tasks(info.id, [{"data": {"text": text}} for text in texts])
    return services.studio.project(info.id)


def add_project(
    services: Services, texts: Sequence[str] = (), *, title: str = "Tickets", label_config: str = CONFIG
) -> Project:
    """The same, remembered by the backend."""
    info = add_studio_project(services, texts, title=title, label_config=label_config)
    return remember_project(services, info.id, info.label_config, title=info.title)


def add_version(
    services: Services, project: Project, label: str = "Shipping", score: float = 0.8, **facts: Any
) -> ModelVersion:
    """A registered version of the project, not promoted, that answers every text with one label.

    Args:
        facts: arguments of `register` that matter to the test.
    """
    key = project.ref.key
    version = register_version(
        services.versions,
        key,
        run_id=f"run-{key}-{services.versions.next_number(key)}",
        label_config_fingerprint=project.label_config_fingerprint,
        **facts,
    )
    answers = {"": "Billing"} if label != "Billing" else {"": "Shipping"}
    services.load_predictor.put(version.path, FakePredictor(version.name, answers, label, score))
    return version


def texts_in(split: Split, count: int, fractions: SplitFractions | None = None) -> list[str]:
    """Texts that the hash puts into a split."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        text = f"message number {number} about an order"
        if (fractions or SplitFractions()).split_of(text) is split:
            found.append(text)
    return found


def _own_database(home: Path, clock: FakeClock) -> Database:
    if not (home / DATABASE).exists():
        shutil.copyfile(_empty_database(), home / DATABASE)
    database = open_database(f"sqlite:///{home / DATABASE}", clock)
    with closing(database.engine.raw_connection()) as connection:
        # A test's database need not survive a power cut, and waiting for the disk is most of a test's time.
        connection.cursor().execute("PRAGMA synchronous = OFF")
    return database


@cache
def _empty_database() -> Path:
    """A migrated database to copy: migrating takes ten times as long."""
    folder = TemporaryDirectory(prefix="labelloop-tests-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / DATABASE
    open_database(f"sqlite:///{path}", FakeClock()).close()
    return path


def _cold_start(project: Project) -> FakePredictor:
    version = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
    return FakePredictor(version, {"": "Shipping"}, LABEL, 0.6)
