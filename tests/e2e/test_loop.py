"""One pass of the whole loop: a real Label Studio, a real browser, the backend in a process of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_backend.demo.annotator import Annotator, OpenTask
from ml_backend.demo.backend import SPLIT
from ml_backend.demo.expert import Expert
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.example import PrelabelOutcome, SelectedBy
from ml_backend.domain.job import Job
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.workflows.accounts import Accounts
from tests.browser import keep, logged_in, new_context
from tests.e2e.loops import Loop, config_of, connected_loop, submit
from tests.studio import choice

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# As few as make a model that is surely better than the cold start: the tuning of a real base model takes minutes.
TICKETS = load_tickets()[:200]
WAITING = 30


@pytest.fixture
def loop(browser: "Browser", studio: LocalStudio, tmp_path: Path) -> Iterator[Loop]:
    """An expert has labeled the tickets in part, so that there is something to train on."""
    tickets, config = _tasks(), config_of("classification")
    with connected_loop(studio, tmp_path, "Support tickets", config, tickets, runtime="torch") as made:
        yield made


@pytest.fixture
def annotator(loop: Loop, studio: LocalStudio) -> Iterator[Annotator]:
    with closing(Annotator.of(loop.services, loop.project, studio.token)) as made:
        yield made


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
    browser: "Browser", studio: LocalStudio, loop: Loop, annotator: Annotator
) -> None:
    page = logged_in(browser, studio)
    _see_the_backend_connected(page, studio, loop)

    _press_start_training(page)
    job = _wait_for_training(loop)
    version = job.result["model_version"]
    assert job.result["is_promoted"] is True
    _see_the_new_version_on_the_admins_page(browser, loop, version)

    task = _ticket_with_changed_prelabel(annotator, job.result["gate"]["champion"], version)
    _see_the_prelabel_and_submit(page, loop, task)

    event = loop.event_of(task.id)
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


def _see_the_new_version_on_the_admins_page(browser: "Browser", loop: Loop, version: str) -> None:
    page = new_context(browser).new_page()
    page.goto(str(Accounts(loop.services).first_link()))
    page.get_by_role("button", name="Sign in as admin").click()
    page.get_by_role("cell", name=version, exact=True).wait_for()
    page.goto(f"{loop.backend.url}/projects/{loop.project.id}")
    page.get_by_role("heading", name="What serves").wait_for()
    page.get_by_text(version, exact=True).first.wait_for()
    keep(page, "4-admin-page")


def _ticket_with_changed_prelabel(annotator: Annotator, cold_start: str, version: str) -> OpenTask:
    """The one that the new version is surest of, among those where the page would show the other class before it."""
    before = {task.id: task.label for task in annotator.open_tasks(cold_start)}
    changed = [
        task for task in annotator.open_tasks(version) if task.label and before.get(task.id) not in (None, task.label)
    ]
    assert changed, "the promotion pushed no pre-label of the new version, or none that differs"
    return max(changed, key=lambda task: task.score)


def _see_the_prelabel_and_submit(page: "Page", loop: Loop, task: OpenTask) -> None:
    assert task.label is not None
    loop.show(page, task.id)
    # The tab of the prediction, beside the annotation that Label Studio has begun with it.
    page.get_by_text(f"{task.score:.2%}").wait_for()
    ticked = page.locator("input[type=checkbox][name]:checked")
    ticked.wait_for(state="attached")
    keep(page, "5-prelabel")
    assert [box.get_attribute("name") for box in ticked.all()] == [task.label]
    submit(page)
    keep(page, "6-submitted")
