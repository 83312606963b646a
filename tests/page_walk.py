"""A home that is full, with the worst of titles and texts, and a walk over every page of the admin's page in it."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from benchmarks.support.busy_home import Amounts, BusyHome
from benchmarks.support.busy_models import add_measurements
from ml_backend.bootstrap import build_services
from ml_backend.options import Options
from tests.visitors import HTML

__all__ = ["EVIL", "fill_home", "walk"]

EVIL = "<script>alert('x')</script>\"'&"
TITLES = (EVIL, "A title of one long word " + "x" * 120, "دعم العملاء")
LABELS = (f"{EVIL} label", "y" * 90, "فواتير", "Billing")
FEW = Amounts(projects=3, events=60, tasks=60, versions=3, jobs=30, actions=12, row_files=3)
MOST_PER_PAGE = 3
"""Addresses of the same page that are visited; others differ in their numbers alone."""


def fill_home(home: Path, amounts: Amounts = FEW) -> None:
    """Fill a new home folder."""
    BusyHome(home, amounts, titles=TITLES, labels=LABELS, text=f"{EVIL} دعم {'z' * 80}").fill()
    with closing(build_services(Options(home=home))) as services:
        add_measurements(services, [services.database.projects.get(number) for number in (1, 2, 3)])


def walk(app: Flask, client: FlaskClient) -> Iterator[tuple[str, str, TestResponse]]:
    """Visit pages by the links and questions on them, from the first page on.

    Yields:
        The endpoint, its address, and the answer.
    """
    root = urlsplit(client.get("/", headers=HTML).request.base_url).path
    waiting, seen, visits = deque([root]), {root}, Counter[str]()
    adapter = app.url_map.bind("localhost")
    while waiting:
        address = waiting.popleft()
        try:
            endpoint, _ = adapter.match(urlsplit(address).path)
        except HTTPException:
            endpoint = "nothing"
        visits[endpoint] += 1
        if visits[endpoint] > MOST_PER_PAGE or endpoint == "static":
            continue
        answer = client.get(address, headers=HTML)
        yield endpoint, address, answer
        for target in _targets(answer.get_data(as_text=True)):
            if target.startswith("/") and target not in seen:
                seen.add(target)
                waiting.append(target)


class _Targets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._form: str | None = None
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in values:
            self.found.append(values["href"])
        if tag == "form" and values.get("method") == "get" and "action" in values:
            self._form, self._fields = values["action"], {}
        if tag == "input" and "name" in values and (values.get("type") != "radio" or "checked" in values):
            self._fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.found.append(f"{self._form}?{urlencode(self._fields)}")
            self._form = None


def _targets(page: str) -> list[str]:
    parser = _Targets()
    parser.feed(page)
    return parser.found
