"""Promises that hold for every page there is, those that come later included."""

import re
from collections.abc import Mapping

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ml_backend.web.app import create_app
from ml_backend.web.pages.base import Page
from ml_backend.workflows.services import Services
from tests.page_walk import EVIL, fill_home, walk
from tests.services import build_test_services, with_settings
from tests.visitors import HTML, PASSWORD, press, sign_in, signed_in

MOST_BYTES = 300_000
STATIC = re.compile(r'(?:src|href)="(/static/[^"]+)"')
Visits = Mapping[str, tuple[str, TestResponse]]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("full")
    fill_home(folder / "home")
    return build_test_services(folder)


@pytest.fixture(scope="module")
def app(full: Services) -> Flask:
    return create_app(full)


@pytest.fixture(scope="module")
def visits(app: Flask, full: Services) -> Visits:
    """Endpoint and answer by address."""
    client = signed_in(app, full, password=PASSWORD)
    return {address: (endpoint, answer) for endpoint, address, answer in walk(app, client)}


def test_links_lead_to_every_page_and_to_nothing_else(visits: Visits) -> None:
    reached = {endpoint.removeprefix("pages.") for endpoint, _ in visits.values()}

    assert set(Page.all()) <= reached
    assert {address: answer.status for address, (_, answer) in visits.items() if answer.status_code != 200} == {}


def test_every_page_shows_titles_as_text_and_holds_no_scripts_or_styles(visits: Visits) -> None:
    for address, (_, answer) in visits.items():
        shown = answer.get_data(as_text=True)
        assert EVIL not in shown, address
        assert not re.search(r"<style|<script(?! src=)|<[a-z]+\s[^>]*\s(style|on[a-z]+)=", shown), address
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], address


def test_every_page_is_light_once_the_static_files_are_there_and_these_are_kept_for_good(
    app: Flask, visits: Visits
) -> None:
    files = set[str]()
    for address, (_, answer) in visits.items():
        assert len(answer.data) < MOST_BYTES, address
        files |= set(STATIC.findall(answer.get_data(as_text=True)))
    client = app.test_client()
    for file in files:
        with client.get(file) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable", file


def test_every_page_asks_for_nothing_of_another_host(visits: Visits) -> None:
    for address, (_, answer) in visits.items():
        loaded = re.findall(r'(?:src|srcset|<link[^>]* href|data-events|action)="([^"]*)"', answer.text)
        assert [each for each in loaded if not each.startswith(("/", "#")) or each.startswith("//")] == [], address


def test_behind_a_proxy_with_a_path_all_links_hold_that_path(full: Services, visits: Visits) -> None:
    app = create_app(with_settings(full, public_url="http://loop.example.com/labelloop"))
    client = app.test_client()
    assert sign_in(client, "admin").headers["Location"] == "/labelloop/"

    outside = [
        (address, target)
        for _, address, answer in walk(app, client)
        for target in re.findall(r'(?:href|src|action|data-events)="(/[^"]*)"', answer.text)
        if not target.startswith("/labelloop/")
    ]

    assert outside == []
    stranger = app.test_client()
    for path in ("/labelloop/jobs?state=failed", "/jobs?state=failed"):
        asked = stranger.get(path, headers=HTML)
        assert asked.headers["Location"] == "/labelloop/login?next=/labelloop/jobs%3Fstate%3Dfailed"
    assert press(client, "/labelloop/logout", "/labelloop/jobs").headers["Location"] == "/labelloop/login"
    assert stranger.get("/labelloop/health").get_json()["status"] == "UP"
