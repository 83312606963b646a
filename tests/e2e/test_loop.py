"""One pass of the whole loop: a real Label Studio, a real browser, the backend in a process of its own."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.annotator import Annotator, OpenTask
from ml_backend.demo.backend import SPLIT, BackendProcess, demo_settings, running_backend
from ml_backend.demo.expert import Expert
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.event import AnnotationEvent
from ml_backend.domain.example import PrelabelOutcome, SelectedBy
from ml_backend.domain.job import Job
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.tasks import template_path
from ml_backend.workflows.connecting.connect import create_and_connect
from ml_backend.workflows.services import Services
from tests.browser import keep, logged_in, new_context
from tests.studio import choice

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# As few as make a model that is surely better than the cold start: the tuning of a real base model takes minutes.
TICKETS = load_tickets()[:200]
WAITING = 30
EVENT_S = 10.0


@dataclass(frozen=True)
class Loop:
    """A connected project whose tickets an expert has labeled in part."""

    services: Services
    backend: BackendProcess
    project: Project
    annotator: Annotator


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, tmp_path: Path) -> Iterator[Loop]:
    """The backend on a home folder of its own, up to the point where there is something to train on."""
    settings = demo_settings(
        tmp_path / "backend",
        port=free_port(),
        studio_url=studio.url,
        studio_token=studio.token,
        retrain_after=0,  # the button alone starts training
        runtime="torch",
    )
    services = build_services(settings)
    with running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend:
        backend.wait_until_ready()
        label_config = template_path("classification").read_text(encoding="utf-8")
        connection = create_and_connect(services, "Support tickets", label_config, _tasks())
        assert connection.job is not None
        backend.finish(services, connection.job)
        annotator = Annotator.of(services, connection.project, studio.token)
        yield Loop(services, backend, connection.project, annotator)
        annotator.close()
    services.close()


def _tasks() -> list[dict[str, Any]]:
    """The tickets with an expert's label, but for some that nobody has labeled yet; those are to be trained on."""
    waiting = {ticket.text for ticket in [t for t in TICKETS if SPLIT.split_of(t.text) is Split.TRAIN][-WAITING:]}
    tasks: list[dict[str, Any]] = []
    for ticket in TICKETS:
        label = Expert(1).answer(ticket, None)[0]
        is_labeled = label is not None and ticket.text not in waiting
        tasks.append({"data": {"text": ticket.text}, "annotations": [{"result": choice(label)}] if is_labeled else []})
    return tasks


def test_a_model_trained_from_label_studio_prelabels_the_next_ticket(
    browser: "Browser", studio: LocalStudio, loop: Loop
) -> None:
    page = logged_in(browser, studio)
    _see_the_backend_connected(page, studio, loop)

    _press_start_training(page)
    job = _wait_for_training(loop)
    version = job.result["model_version"]
    assert job.result["is_promoted"] is True
    _see_the_new_version_on_the_status_page(browser, loop, version)

    task = _ticket_with_changed_prelabel(loop, job.result["gate"]["champion"], version)
    _see_the_prelabel_and_submit(page, studio, loop, task)

    event = _event_of(loop, task)
    assert event.parent_prediction == task.prediction_id
    assert event.model_version == version
    assert event.prelabel is PrelabelOutcome.ACCEPTED
    assert event.selected_by is SelectedBy.ACTIVE
    assert event.lead_time_s
    assert event.lead_time_s > 0


def _see_the_backend_connected(page: "Page", studio: LocalStudio, loop: Loop) -> None:
    page.goto(f"{studio.url}/projects/{loop.project.id}/settings/ml")
    page.get_by_text("Connected", exact=True).wait_for()
    keep(page, "1-model-connected")


def _press_start_training(page: "Page") -> None:
    page.get_by_label("Machine learning model options").click()
    page.get_by_text("Start Training", exact=True).click()
    page.get_by_text("Start Model Training", exact=True).wait_for()
    keep(page, "2-start-training")
    page.get_by_role("button", name="Start Training").click()
    page.get_by_text("Request Sent!").wait_for()
    keep(page, "3-request-sent")


def _wait_for_training(loop: Loop) -> Job:
    job = loop.services.database.jobs.last("train", loop.project.id)
    assert job is not None, "Start Training in the browser led to no job"
    assert job.params["trigger"] == "label-studio"
    return loop.backend.finish(loop.services, job)


def _see_the_new_version_on_the_status_page(browser: "Browser", loop: Loop, version: str) -> None:
    settings = loop.backend.settings
    credentials = {"username": settings.backend.user, "password": settings.backend.password.get_secret_value()}
    page = new_context(browser, http_credentials=credentials).new_page()
    page.goto(loop.backend.url)
    page.get_by_role("definition").get_by_text(version, exact=True).wait_for()
    keep(page, "4-status-page")


def _ticket_with_changed_prelabel(loop: Loop, cold_start: str, version: str) -> OpenTask:
    """The one that the new version is surest of, among those where the page would show the other class before it."""
    before = {task.id: task.label for task in loop.annotator.open_tasks(cold_start)}
    changed = [
        task
        for task in loop.annotator.open_tasks(version)
        if task.label and before.get(task.id) not in (None, task.label)
    ]
    assert changed, "the promotion pushed no pre-label of the new version, or none that differs"
    return max(changed, key=lambda task: task.score)


def _see_the_prelabel_and_submit(page: "Page", studio: LocalStudio, loop: Loop, task: OpenTask) -> None:
    assert task.label is not None
    page.goto(f"{studio.url}/projects/{loop.project.id}/data?task={task.id}")
    # The tab of the prediction, beside the annotation that Label Studio has begun with it.
    page.get_by_text(f"{task.score:.2%}").wait_for()
    ticked = page.locator("input[type=checkbox][name]:checked")
    ticked.wait_for(state="attached")
    keep(page, "5-prelabel")
    assert [box.get_attribute("name") for box in ticked.all()] == [task.label]
    page.get_by_role("button", name=re.compile("submit", re.IGNORECASE)).click()
    page.get_by_text("Update", exact=True).wait_for()
    keep(page, "6-submitted")


def _event_of(loop: Loop, task: OpenTask) -> AnnotationEvent:
    deadline = time.monotonic() + EVENT_S
    while time.monotonic() < deadline:
        for event in loop.services.database.events.history(loop.project.id).values():
            if event.task_id == task.id:
                return event
        time.sleep(0.1)
    raise AssertionError("the annotation's event never arrived at the backend")
