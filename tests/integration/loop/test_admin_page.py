"""The admin's page in a browser: signing in, a job from its start to its end, and a backend that fails meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ml_backend.domain.access import Role
from ml_backend.domain.job import JobState
from ml_backend.domain.model import Method, ModelVersion
from ml_backend.storage.database import Database, open_database
from ml_backend.tasks import template_path
from ml_backend.workflows.training.held_out_answers import ControlAnswers, answers_to_bytes
from tests.backend_process import Backend, command_result, post, running_backend
from tests.browser import new_context
from tests.certificates import store_plan

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Route

SETUP = {"project": "3.1", "schema": template_path("classification").read_text(), "hostname": "http://localhost:8080"}
HTML = "text/html"
FAILURES: dict[str, Callable[["Route"], None]] = {
    "a proxy's error page": lambda route: route.fulfill(status=502, content_type=HTML, body="<h1>502 Bad Gateway</h1>"),
    "a page of somebody else": lambda route: route.fulfill(status=200, content_type=HTML, body="<h1>Log in</h1>"),
    "no answer": lambda route: route.abort(),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def backend(home: Path) -> Iterator[Backend]:
    with running_backend(home, "--no-worker") as running:
        post(f"{running.url}/setup", SETUP)
        yield running


@pytest.fixture
def database(home: Path, backend: Backend) -> Iterator[Database]:
    with closing(open_database(f"sqlite:///{home / 'labelloop.db'}", lambda: datetime.now(UTC))) as opened:
        yield opened
        for job in opened.jobs.page(limit=100):
            opened.jobs.cancel(job.id)
            opened.jobs.finish(job, JobState.CANCELLED)


def signed_in(
    browser: "Browser", home: Path, backend: Backend, name: str, role: Role = Role.ANALYST, **options: object
) -> "BrowserContext":
    """A browser in which a new user has opened a one-time link."""
    context = new_context(browser, **options)
    link = command_result(home, "users", "add", name, "--role", role.value)["link"]
    page = context.new_page()
    page.goto(backend.url + urlsplit(link).path)
    page.get_by_role("button", name=f"Sign in as {name}").click()
    page.get_by_role("heading", name="Projects").wait_for()
    page.close()
    return context


def test_a_job_is_started_watched_and_cancelled(
    browser: "Browser", home: Path, backend: Backend, database: Database
) -> None:
    context = signed_in(browser, home, backend, "anna")
    page, foreign, complaints = context.new_page(), list[str](), list[str]()
    page.on("request", lambda request: None if request.url.startswith(backend.url) else foreign.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(backend.url)
    page.get_by_role("link", name="Project 3").click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("Job 1 is queued").wait_for()
    assert database.jobs.get(1).params["actor"] == "anna"

    job = database.jobs.claim(1)
    assert job is not None
    database.jobs.progress(job, 0.42, "training", "epoch 2 of 5, about 80 s left")
    page.get_by_text("about 80 s left").wait_for()
    page.get_by_text("42%").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_text("cannot be resumed").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    assert not database.jobs.get(1).cancel_requested
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    page.get_by_text("stopping").wait_for()
    database.jobs.finish(job, JobState.CANCELLED, error="cancelled while training")
    page.get_by_text("cancelled while training").wait_for()
    page.get_by_role("button", name="Cancel job").wait_for(state="detached")

    assert foreign == []
    assert complaints == []


def test_all_of_it_works_without_scripts(browser: "Browser", home: Path, backend: Backend, database: Database) -> None:
    page = signed_in(browser, home, backend, "bert", java_script_enabled=False).new_page()
    page.goto(f"{backend.url}/projects/3")
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("is queued").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_text("cannot be resumed").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_text("is cancelled").wait_for()
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_label("State").select_option("cancelled")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("cell", name="cancelled", exact=True).first.wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in to labelloop").wait_for()


def add_drafts(database: Database, key: str) -> None:
    """Two versions, and what they wrote to two prompts."""
    for number in (1, 2):
        about = {"name": f"{key}-v{number}", "number": number, "project_key": key, "method": Method.LORA}
        about |= {"snapshot_id": "s", "path": Path("none"), "run_id": "r", "label_config_fingerprint": "f"}
        database.versions.add([ModelVersion(**about, created_at=datetime.now(UTC))])
        answers = ControlAnswers(
            [0, 1], [7, 8], [None, None], [[0], [1]], [f"draft {number}"] * 2, [0.5, 0.5], [number / 4] * 2
        )
        figures = {"kind": "generation", "evaluation": {"unanswered": 0}, "mistakes": {}}
        shown = {"metric": "ROUGE-L", "score": 0.5, "low": 0.4, "high": 0.6, "rows": 2, "accuracy": None}
        summary = {"left_out": 0, "controls": {"reply": {**shown, "has_labels": False}}}
        content = answers_to_bytes({"reply": answers})
        database.measurements.keep(
            key, f"{key}-v{number}", "s", "test", summary=summary, figures={"reply": figures}, answers=content
        )


def test_drafts_are_voted_on_by_keys_and_a_version_is_promoted_for_a_reason(
    browser: "Browser", home: Path, backend: Backend, database: Database
) -> None:
    key = database.projects.get(3).ref.key
    add_drafts(database, key)
    page = signed_in(browser, home, backend, "eve", Role.ADMIN).new_page()
    page.goto(f"{backend.url}/projects/3/models")
    page.get_by_role("button", name="Put the two side by side").click()
    page.get_by_role("link", name="Vote blind on the drafts").click()
    for number in (1, 2):
        page.get_by_text(f"Prompt {number} of 2").wait_for()
        assert key not in page.locator("main article").inner_text()
        page.keyboard.press("2")
    page.get_by_text("end to see the result").wait_for()
    page.get_by_role("button", name="End, and show the result").click()
    page.get_by_role("heading", name="What people say").wait_for()

    page.goto(f"{backend.url}/projects/3/models/2")
    page.get_by_role("link", name="Promote").click()
    page.get_by_label("Reason").fill("the expert prefers it")
    page.get_by_role("button", name="Promote without the gate").click()
    page.get_by_role("heading", name="promote").wait_for()
    (job,) = database.jobs.page(kind="promote", limit=10)
    assert (job.params["version"], job.params["is_forced"], job.params["actor"]) == (f"{key}-v2", True, "eve")


def test_auto_accept_is_planned_with_a_slider_and_tried_for_after_a_question(
    browser: "Browser", home: Path, backend: Backend, database: Database
) -> None:
    store_plan(database, 3, "project-3-3-v1")
    page = signed_in(browser, home, backend, "emil", Role.ADMIN).new_page()
    page.goto(f"{backend.url}/projects/3")
    page.get_by_role("link", name="Loop", exact=True).click()
    plan = page.locator("#plan")
    plan.get_by_text("400 of 1,000 unlabeled tasks").wait_for()

    for _ in range(6):
        page.get_by_role("slider").press("ArrowRight")
    plan.get_by_text("800 of 1,000 unlabeled tasks").wait_for()
    assert page.get_by_label("Wrong at most, in %", exact=True).first.input_value() == "5"
    assert "limit=5&audits=5" in page.url
    page.get_by_role("button", name="Certify and accept").click()
    page.get_by_role("dialog").get_by_text("at most 5.0% are wrong").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Certify and accept").click()
    page.get_by_text("is queued").wait_for()
    page.context.close()

    wanted = database.jobs.last("certify", 3)
    assert wanted is not None
    assert (wanted.params["limit"], wanted.params["actor"]) == (0.05, "emil")


def test_a_page_keeps_what_it_shows_and_recovers_by_itself(browser: "Browser", home: Path, backend: Backend) -> None:
    page = signed_in(browser, home, backend, "cleo").new_page()
    page.goto(f"{backend.url}/jobs")
    for fail in FAILURES.values():
        page.route(f"{backend.url}/jobs", fail)
        page.get_by_text("The backend does not answer").wait_for()
        assert page.get_by_role("heading", name="Jobs").count() == 1
        page.unroute(f"{backend.url}/jobs")
        page.get_by_text("The backend does not answer").wait_for(state="hidden")


def test_a_slow_backend_is_asked_once_at_a_time(browser: "Browser", home: Path, backend: Backend) -> None:
    page = signed_in(browser, home, backend, "dora").new_page()
    page.goto(f"{backend.url}/jobs")
    under_way: list[float] = []
    most: list[int] = []

    def answer_late(route: "Route") -> None:
        under_way.append(time.monotonic())
        most.append(len(under_way))
        page.wait_for_timeout(2000)
        under_way.pop()
        route.continue_()

    page.route(f"{backend.url}/jobs", answer_late)
    page.wait_for_timeout(8000)

    assert len(most) >= 1
    assert max(most) == 1
