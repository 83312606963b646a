"""Shared parts of the end-to-end tests: a backend as a process, a project connected to it, and an expert's page."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import BackendProcess, demo_settings, running_backend
from ml_backend.domain.annotation import Task
from ml_backend.domain.event import AnnotationEvent
from ml_backend.domain.example import Row
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.http import StudioHttp
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.connect import create_and_connect
from ml_backend.workflows.exporting.snapshots import newest_snapshot
from ml_backend.workflows.services import Services
from tests.running import until
from tests.studio import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["EVENT_S", "Loop", "config_of", "connected_loop", "submit"]

EVENT_S = 10.0
SUBMIT = re.compile("submit", re.IGNORECASE)


@dataclass(frozen=True)
class Loop:
    """A connected project and the backend that serves it."""

    services: Services
    backend: BackendProcess
    project: Project

    def open_tasks(self) -> Sequence[Task]:
        """Tasks that nobody has labeled yet."""
        return list(self.services.studio.tasks_without_prediction(self.project.id, "no such version"))

    def prediction(self, task_id: int, version: str) -> Mapping[str, Any]:
        """A version's pre-label of a task, as Label Studio holds it."""
        with closing(StudioHttp(self.services.studio.url, TOKEN, timeout_s=30.0)) as http:
            found = http.get("/api/predictions", {"task": task_id})
        (prediction,) = (each for each in found if each["model_version"] == version)
        return dict(prediction)

    def rows(self) -> dict[int, Row]:
        """Rows of the newest snapshot by their tasks."""
        snapshot = SnapshotFolder(newest_snapshot(self.services, self.project).path)
        return {row.task_id: row for split in Split for row in snapshot.rows(split)}

    def event_of(self, task_id: int) -> AnnotationEvent:
        """The event of the task's annotation, which is on its way to the backend."""

        def arrived() -> AnnotationEvent | None:
            events = self.services.database.events.history(self.project.id).values()
            return next((event for event in events if event.task_id == task_id), None)

        return until(arrived, "the annotation's event", timeout_s=EVENT_S)

    def show(self, page: "Page", task_id: int) -> None:
        """Open a task, as an expert who is to label it does."""
        page.goto(f"{self.services.studio.url}/projects/{self.project.id}/data?task={task_id}")
        page.get_by_role("button", name=SUBMIT).wait_for()


@contextmanager
def connected_loop(
    studio: LocalStudio, folder: Path, title: str, label_config: str, tasks: Sequence[Mapping[str, Any]], **others: Any
) -> Iterator[Loop]:
    """The backend on a new home folder, and a project whose cold start has been pushed; buttons alone start training.

    Args:
        others: settings by name.
    """
    access = {"port": free_port(), "studio_url": studio.url, "studio_token": studio.token}
    settings = demo_settings(folder / "backend", **{"retrain_after": 0, **access, **others})
    services = build_services(settings)
    with (
        closing(services),
        running_backend(settings, services.database, log_file=folder / "backend.log") as backend,
    ):
        backend.wait_until_ready()
        connection = create_and_connect(services, title, label_config, tasks)
        if connection.job is not None:
            backend.finish(services, connection.job)
        yield Loop(services, backend, connection.project)


def config_of(template: str) -> str:
    """The label config of a template."""
    return template_path(template).read_text(encoding="utf-8")


def submit(page: "Page") -> None:
    """Press Submit and see that Label Studio has taken the annotation."""
    page.get_by_role("button", name=SUBMIT).click()
    page.get_by_text("Update", exact=True).wait_for()
