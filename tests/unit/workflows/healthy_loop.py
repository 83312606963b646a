"""A connected project whose every link is in order, for the tests of doctor."""

import copy
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.options import BackendOptions
from ml_backend.web.app import create_app
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.doctor.diagnose import diagnose
from ml_backend.workflows.doctor.examination import Finding, State
from ml_backend.workflows.doctor.probe import BackendProbe
from ml_backend.workflows.labeling.prelabel import push_missing, select_version
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.fakes import FakeRegistry
from tests.services import add_studio_project, build_test_services, texts_in, with_settings
from tests.unit.workflows.bundles import add_whole_version

ACCESS = BackendOptions(password="secret-of-backend", webhook_password="secret-of-webhook")
SETTINGS = {"password": "secret-of-backend", "webhook_password": "secret-of-webhook"}
NO_PASSWORD = dict.fromkeys(SETTINGS, "")
TEXTS = texts_in(Split.TRAIN, 3)


@dataclasses.dataclass
class Loop:
    """A connected project, or none where its id is 0, and the running backend that doctor talks to."""

    services: Services
    project_id: int
    transport: httpx.BaseTransport
    mlflow: FakeRegistry = dataclasses.field(default_factory=lambda: FakeRegistry(Path()))

    def findings(self, project_id: int | None = None) -> dict[str, Finding]:
        probe = BackendProbe(self.services.options.backend, self.transport)
        found = diagnose(self.services, project_id or self.project_id or None, probe=probe)
        return {finding.check: finding for finding in found}

    def finding(self, check: str) -> Finding:
        return self.findings()[check]

    def assert_finding(self, check: str, state: State, message: str = "", fix: str = "") -> None:
        """Assert what a check finds, by parts of its messages."""
        finding = self.finding(check)
        assert finding.state is state, finding
        assert message in finding.found, finding
        assert fix in finding.fix, finding

    @property
    def project(self) -> Project:
        return self.services.database.projects.get(self.project_id)

    def serve_whole_version(self) -> str:
        """Have a version serve that has a bundle on disk, and return its name."""
        version = add_whole_version(self.services, self.project).name
        self.services.versions.serve(version)
        return version


def app_transport(services: Services, **settings: Any) -> httpx.WSGITransport:
    return httpx.WSGITransport(app=create_app(with_settings(services, **NO_PASSWORD | settings)))


def small_base_model(folder: Path) -> str:
    """Enough of a base model for its digest."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return str(folder)


@dataclasses.dataclass
class Original:
    """A healthy loop that every test gets a copy of."""

    folder: Path
    studio: FakeStudio
    base_model: str


def answering(respond: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(respond)


def asking_for_credentials(respond: Callable[[str], httpx.Response]) -> httpx.MockTransport:
    """A backend that asks for credentials, and answers by the path of the request."""
    return answering(
        lambda request: respond(request.url.path) if "authorization" in request.headers else httpx.Response(401)
    )


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused", request=request)


def make_original(folder: Path) -> Original:
    """Connect a project, push its pre-labels and select them."""
    studio = FakeStudio("http://localhost:8080")
    services = build_test_services(folder, studio=studio, backend=ACCESS)
    info = add_studio_project(services, TEXTS)
    connect(services, info.id)
    project = services.database.projects.get(info.id)
    predictor = services.cold_start(project)
    push_missing(services, project, predictor)
    select_version(services, project, predictor.version)
    services.database.jobs.cancel(1)
    services.database.close()
    return Original(folder, studio, small_base_model(folder / "base"))


def copy_of(original: Original, folder: Path) -> Loop:
    """A loop of the test's own, to be broken at will."""
    shutil.copytree(original.folder / "home", folder / "home")
    studio = copy.deepcopy(original.studio)
    mlflow = FakeRegistry(folder / "runs")
    base_model = original.base_model
    services = build_test_services(folder, studio=studio, backend=ACCESS, mlflow=mlflow, base_model=base_model)
    return Loop(services, 1, app_transport(services, **SETTINGS), mlflow)
