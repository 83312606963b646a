"""The status page in a browser, while what lies between it and the backend fails."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from ml_backend.tasks import template_path
from tests.backend_process import Backend, post, running_backend
from tests.browser import new_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SETUP = {"project": "3.1", "schema": template_path("classification").read_text(), "hostname": "http://localhost:8080"}
HTML = "text/html"
FAILURES: dict[str, Callable[["Route"], None]] = {
    "a proxy's error page": lambda route: route.fulfill(status=502, content_type=HTML, body="<h1>502 Bad Gateway</h1>"),
    "a page of somebody else": lambda route: route.fulfill(status=200, content_type=HTML, body="<h1>Log in</h1>"),
    "an error of the backend": lambda route: route.fulfill(status=503, json={"error": "the database is locked"}),
    "an empty answer": lambda route: route.fulfill(status=200, content_type=HTML, body=""),
    "no answer": lambda route: route.abort(),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with running_backend(tmp_path_factory.mktemp("home"), "--no-worker") as running:
        post(f"{running.url}/setup", SETUP)
        yield running


@pytest.fixture
def page(browser: "Browser", backend: Backend) -> "Page":
    page = new_context(browser).new_page()
    page.goto(backend.url)
    return page


def test_the_page_keeps_what_it_shows_and_recovers_by_itself(page: "Page", backend: Backend) -> None:
    for fail in FAILURES.values():
        page.route(f"{backend.url}/", fail)
        page.get_by_text("The backend does not answer").wait_for()
        assert page.locator("h2").count() == 1
        page.unroute(f"{backend.url}/")
        page.get_by_text("The backend does not answer").wait_for(state="detached")
        assert page.locator("h2").count() == 1


def test_a_button_that_reaches_nobody_may_be_pressed_again(page: "Page", backend: Backend) -> None:
    page.route(f"{backend.url}/projects/3/train", FAILURES["a proxy's error page"])
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("That did not reach the backend").wait_for()
    page.unroute(f"{backend.url}/projects/3/train")
    page.get_by_role("button", name="Start training").click()

    page.get_by_text("Job 1 is queued").wait_for()


def test_a_slow_backend_is_asked_once_at_a_time(page: "Page", backend: Backend) -> None:
    under_way: list[float] = []
    most: list[int] = []

    def answer_late(route: "Route") -> None:
        under_way.append(time.monotonic())
        most.append(len(under_way))
        page.wait_for_timeout(3000)
        under_way.pop()
        route.continue_()

    page.route(f"{backend.url}/", answer_late)
    page.wait_for_timeout(9000)

    assert len(most) >= 1
    assert max(most) == 1
