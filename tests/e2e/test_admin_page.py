"""An admin without a terminal: signing in by a link, connecting a project, running jobs, changing a setting, and
promoting, going back and promoting again, each of which Label Studio follows."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import BackendProcess, demo_settings, running_backend
from ml_backend.domain.access import Role
from ml_backend.domain.job import JobState
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.services import Services
from tests.browser import new_context
from tests.running import until
from tests.studio import choice, project_with_tasks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TEXTS = [f"message {number} about an order that has not arrived" for number in range(30)]
# The labels' names do not say what is meant by them, so the cold start cannot know, and a trained version is better.
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="category" toName="text" choice="single">
    <Choice value="queue 1"/><Choice value="queue 2"/>
  </Choices>
</View>"""
THEMES = {
    "queue 1": (
        "the parcel {} is late",
        "where is delivery {}",
        "courier lost box {}",
        "tracking of order {} stands still",
    ),
    "queue 2": ("card {} was charged twice", "invoice {} is too high", "refund {} is missing", "payment {} has failed"),
}
LABELED = [
    {"data": {"text": text.format(number)}, "annotations": [{"result": choice(label)}]}
    for label, texts in THEMES.items()
    for text in texts
    for number in range(20)
]
JOB_S = 300


@pytest.fixture
def services(studio: LocalStudio, tmp_path: Path) -> Iterator[Services]:
    access = {"port": free_port(), "studio_url": studio.url, "studio_token": studio.token}
    settings = demo_settings(tmp_path / "backend", retrain_after=0, job_heartbeat_timeout_s=600, **access)
    with closing(build_services(settings)) as made:
        yield made


@pytest.fixture
def backend(services: Services, tmp_path: Path) -> Iterator[BackendProcess]:
    with running_backend(services.options, services.database, log_file=tmp_path / "backend.log") as running:
        running.wait_until_ready()
        yield running


@pytest.mark.long
def test_an_admin_connects_runs_and_sets_up_a_project_on_the_page(
    services: Services, backend: BackendProcess, browser: "Browser"
) -> None:
    info = project_with_tasks(services.studio, TEXTS, title="Late orders", label_config=CONFIG)
    accounts, address = Accounts(services), services.options.backend.url
    page, complaints = new_context(browser).new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address + urlsplit(accounts.link(accounts.add("anna", Role.ADMIN))).path)
    page.get_by_role("button", name="Sign in as anna").click()

    page.get_by_role("link", name="Connect a project").click()
    page.get_by_role("link", name="Look at Late orders").click()
    page.get_by_text("A job pushes pre-labels of late-orders").wait_for()
    page.get_by_role("button", name="Connect").click()
    page.get_by_text("Made the webhook").wait_for()
    database = services.database
    (push,) = database.jobs.newest(project_id=info.id)
    until(lambda: database.jobs.get(push.id).state is JobState.SUCCEEDED, "the pre-labels", timeout_s=JOB_S)
    (first,) = services.studio.prediction_counts(info.id)

    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Change split").click()
    page.get_by_role("textbox", name="Value").fill("0.5,0.25,0.25")
    page.get_by_role("button", name="What would it do?").click()
    page.get_by_text("texts are placed anew").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("split is 0.5,0.25,0.25 now").wait_for()
    again = database.jobs.newest(project_id=info.id)[0]
    until(lambda: database.jobs.get(again.id).state is JobState.SUCCEEDED, "the pre-labels", timeout_s=JOB_S)
    assert sum(services.studio.prediction_counts(info.id).values()) == len(TEXTS)

    # While another job of the project runs, a training waits, however fast this machine is.
    other, _ = PrelabelJob(trigger="command").request(services, info.id, claim=True)
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("is queued").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    page.get_by_role("button", name="Cancel job").wait_for(state="detached")
    assert database.jobs.newest(project_id=info.id)[0].state is JobState.CANCELLED
    database.jobs.finish(other, JobState.CANCELLED)

    def wait_until_served(version: str) -> None:
        until(
            lambda: services.studio.project(info.id).model_version == version,
            f"Label Studio's change to {version}",
            timeout_s=JOB_S,
        )

    assert services.studio.import_tasks(info.id, LABELED) == len(LABELED)
    page.goto(f"{address}/projects/{info.id}")
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("is queued").wait_for()
    wait_until_served(f"late-orders-{info.id}-v1")
    page.goto(f"{address}/projects/{info.id}/models")
    page.get_by_role("link", name="Go back to what served before").click()
    page.get_by_role("button", name="Go back").click()
    wait_until_served(first)
    page.goto(f"{address}/projects/{info.id}/models/1")
    page.get_by_role("link", name="Promote").click()
    page.get_by_label("Reason").fill("an expert has looked at its pre-labels")
    page.get_by_role("button", name="Promote without the gate").click()
    wait_until_served(f"late-orders-{info.id}-v1")
    assert complaints == []
