"""Connecting both applications to a real Label Studio, and what doctor finds there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import SelectedBy
from ml_backend.domain.job import JobState
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioRejected
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.options import BackendOptions
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.connecting.config_history import control_absences
from ml_backend.workflows.connecting.connect import Connection, connect, create_and_connect
from ml_backend.workflows.doctor.diagnose import diagnose
from ml_backend.workflows.doctor.examination import Finding, State
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.worker import Worker
from ml_backend.workflows.labeling.confirm import confirm_labels
from ml_backend.workflows.services import Services
from tests.contract.web.applications import APPLICATIONS
from tests.fakes import FakeClock
from tests.running import serving
from tests.services import CONFIG, build_test_services, choice, texts_in

TASKS = [{"text": text} for text in (*texts_in(Split.TRAIN, 3), *texts_in(Split.TEST, 1))]


@dataclass(frozen=True)
class Running:
    """A backend that answers on loopback, and a project that is connected to it."""

    services: Services
    connection: Connection

    @property
    def project_id(self) -> int:
        return self.connection.project.id

    def faults(self) -> dict[str, Finding]:
        return {name: finding for name, finding in self.findings().items() if finding.state is not State.OK}

    def work(self) -> None:
        """Run the jobs that wait."""
        Worker(self.services).step()

    def findings(self) -> dict[str, Finding]:
        return {finding.check: finding for finding in diagnose(self.services, self.project_id)}


def backend_at(port: int, folder: Path, client: StudioClient) -> Services:
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "config.json").write_text("{}")
    (folder / "base" / "model.safetensors").write_bytes(b"weights")
    access = BackendOptions(port=port, password="secret-of-backend", webhook_password="secret-of-webhook")
    return build_test_services(folder, studio=client, backend=access, base_model=str(folder / "base"))


@pytest.fixture(scope="module", params=APPLICATIONS, ids=lambda application: application.name)
def running(
    request: pytest.FixtureRequest,
    studio: LocalStudio,
    studio_client: StudioClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    port = free_port()
    services = backend_at(port, tmp_path_factory.mktemp("backend"), studio_client)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LABELLOOP_HOME", str(services.options.home))
        environment.setenv("LABELLOOP_PASSWORD", "secret-of-backend")
        environment.setenv("LABELLOOP_WEBHOOK_PASSWORD", "secret-of-webhook")
        app = request.param.make(services)
    with serving(app, port):
        yield Running(services, create_and_connect(services, "Live tickets", CONFIG, TASKS))


def test_a_new_project_is_connected_and_served(running: Running) -> None:
    running.work()

    project = running.services.studio.project(running.project_id)
    version = running.services.cold_start(running.connection.project).version
    assert (project.model_version, project.sampling) == (version, "Uncertainty sampling")
    assert running.services.studio.prediction_counts(running.project_id) == {version: len(TASKS)}


def test_connecting_again_changes_nothing(running: Running) -> None:
    running.work()

    assert connect(running.services, running.project_id).changes == ()


def test_doctor_finds_nothing_to_mend(running: Running) -> None:
    running.work()

    assert running.faults() == {}


def test_an_annotation_arrives_as_an_event_of_the_webhook(running: Running) -> None:
    project_id = running.project_id
    running.work()
    prelabels = running.services.studio.tasks_without_prediction(project_id, "no such version")
    task = next(iter(prelabels))

    stored = running.services.studio.submit_annotation(task.id, {"result": choice("Billing"), "lead_time": 2.5})

    assert stored["id"] in running.services.database.events.history(project_id)
    assert running.findings()["events"].state is State.OK


def test_label_studio_bears_out_true_events_and_denies_forged_ones(running: Running, tmp_path: Path) -> None:
    services, project = running.services, running.connection.project
    tasks = services.studio.tasks_without_prediction(project.id, "no such version")
    stored = services.studio.submit_annotation(next(iter(tasks)).id, {"result": choice("Billing"), "lead_time": 2.5})
    told = services.database.events.new_label_count(project.id, 0)
    forged = [AnnotationEvent(project.id, EventAction.CREATED, stored["id"] + n, stored["task"]) for n in (100, 2**40)]
    services.database.events.add(forged)

    assert confirm_labels(services, project, wanted=1000) == told
    snapshot = export_project(services, project, tmp_path / "snapshot")
    rows = {row.task_id: row for split in Split for row in SnapshotFolder(snapshot.path).rows(split)}
    assert rows[stored["task"]].provenance.selected_by in (SelectedBy.ACTIVE, SelectedBy.RANDOM)


def test_what_somebody_broke_is_found_and_mended(running: Running) -> None:
    running.work()
    studio, project_id = running.services.studio, running.project_id
    (hook,) = studio.webhooks(project_id)
    before = {name: hook[name] for name in ("headers", "actions", "send_payload", "is_active")}
    studio.update_webhook(hook["id"], {"headers": {}, "actions": ["TASKS_CREATED"]})
    studio.update_project(project_id, {"sampling": "Sequential sampling", "model_version": "labelloop"})
    studio.create_webhook(project_id, {"url": hook["url"].replace("localhost", "127.0.0.1"), "send_payload": True})

    faults = running.faults()
    connection = connect(running.services, project_id)

    assert set(faults) == {"webhook", "private_addresses", "delivery", "selection", "sampling"}
    assert "carries no Authorization header" in faults["webhook"].found
    assert len(connection.changes) == 4
    (mended,) = studio.webhooks(project_id)
    assert {name: mended[name] for name in before} | {"actions": sorted(mended["actions"])} == before | {
        "actions": sorted(before["actions"])
    }
    assert running.faults() == {}


def asked(studio: LocalStudio, method: str, path: str) -> httpx.Response:
    """What Label Studio answers to its first user."""
    headers = {"Authorization": f"Token {studio.token}"}
    return httpx.request(method, f"{studio.url}{path}", headers=headers, timeout=60).raise_for_status()


def test_label_studio_fetches_a_prediction_of_a_task_that_has_none(running: Running, studio: LocalStudio) -> None:
    connection = create_and_connect(running.services, "Live answers", CONFIG, TASKS[:1])
    (task,) = running.services.studio.tasks_without_prediction(connection.project.id, "no such version")

    opened = asked(studio, "GET", f"/api/tasks/{task.id}/").json()

    (prediction,) = opened["predictions"]
    assert [region["value"] for region in prediction["result"]] == [{"choices": ["Billing"]}]
    assert prediction["score"] == 0.6
    assert prediction["model_version"] == running.services.cold_start(connection.project).version


def test_a_label_config_that_somebody_changes_is_followed(running: Running, studio: LocalStudio) -> None:
    services = running.services
    connection = create_and_connect(services, "Live changes", CONFIG, TASKS)
    project_id = connection.project.id
    first, second, *_ = services.studio.tasks_without_prediction(project_id, "no such version")
    for task, label in ((first, "Returns"), (second, "Billing")):
        services.studio.submit_annotation(task.id, {"result": choice(label)})
    parts = '<Labels name="parts" toName="text"><Label value="Number"/></Labels>'
    changed = CONFIG.replace('<Choice value="Returns"/>', "").replace("</View>", f"{parts}</View>")
    assert isinstance(services.clock, FakeClock)
    services.clock.now = datetime.now(UTC)  # Label Studio's annotations tell the real time

    services.studio.update_project(project_id, {"label_config": changed})
    (row,) = services.studio.backends(project_id)
    asked(studio, "GET", f"/api/ml/{row['id']}")  # calls `/setup`, as opening the settings does
    running.work()

    project = services.database.projects.get(project_id)
    assert project.label_config == changed
    assert list(control_absences(services, project)) == ["parts"]
    version = services.cold_start(project).version
    assert connect(services, project_id).changes == ()
    assert services.studio.project(project_id).model_version == version
    assert services.studio.prediction_counts(project_id)[version] == len(TASKS) - 2
    manifest = export_project(services, project).manifest
    assert (manifest.counts["train"], manifest.dropped) == (1, {"unknown_label": 1})
    assert "config no longer has are left out: Returns (1)" in manifest.warnings[0]
    (kept,) = SnapshotFolder(services.options.snapshots_folder / project.ref.key / manifest.id).rows(Split.TRAIN)
    assert dict(kept.targets) == {"category": "Billing"}


def test_start_training_in_label_studio_queues_a_job(running: Running, studio: LocalStudio) -> None:
    (row,) = running.services.studio.backends(running.project_id)

    asked(studio, "POST", f"/api/ml/{row['id']}/train")

    jobs = running.services.database.jobs
    (job,) = (job for job in jobs.newest() if job.kind == "train")
    assert (job.project_id, job.state) == (running.project_id, JobState.QUEUED)
    jobs.cancel(job.id)


def test_a_backend_that_is_not_running_is_named_and_leaves_nothing_behind(
    studio_client: StudioClient, tmp_path: Path
) -> None:
    services = backend_at(free_port(), tmp_path, studio_client)
    project_id = studio_client.create_project("Nobody there", CONFIG).id

    with pytest.raises(StudioRejected, match="start `labelloop serve`") as caught:
        connect(services, project_id)

    assert services.options.backend.url in str(caught.value)
    assert list(studio_client.backends(project_id)) == []
    assert list(studio_client.webhooks(project_id)) == []
    findings = {finding.check: finding for finding in diagnose(services, project_id)}
    assert findings["backend"].found.startswith("nobody answers at")
    assert findings["registration"].found.startswith("the project has no backend at")
