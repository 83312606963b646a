"""The page on which people try a text."""

import logging
import re
import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.snapshot import Split
from ml_backend.models.bundle.known_texts import text_key
from ml_backend.web.api import try_text as try_api
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, choice, texts_in
from tests.visitors import HTML, press

PAGE = "/projects/1/try"
EVIL = "refund <script>alert('x')</script> العربية"
TAG = re.compile(r"<[^>]+>")
ENTITIES = """<View>
  <Labels name="people" toName="text"><Label value="PER"/></Labels><Text name="text" value="$text"/>
</View>"""
TWO_FIELDS = """<View>
  <Text name="title" value="$title"/><Text name="body" value="$body"/>
  <Choices name="category" toName="body"><Choice value="Billing"/><Choice value="Shipping"/></Choices>
  <Choices name="mood" toName="title"><Choice value="calm"/><Choice value="angry"/></Choices>
</View>"""


def words(answer: TestResponse) -> str:
    return " ".join(TAG.sub(" ", answer.get_data(as_text=True)).split())


def try_it(client: FlaskClient, *texts: str) -> TestResponse:
    return press(client, PAGE, PAGE, **{f"text-{i}": text for i, text in enumerate(texts)})


def test_a_text_gets_each_controls_answer_with_the_words_that_mattered(services: Services, admin: FlaskClient) -> None:
    project = add_project(services, title="Tickets")
    version = add_version(services, project)
    predictor = FakePredictor(version.name, {"refund now": "Billing"}, "Shipping", 0.8)
    services.load_predictor.put(version.path, predictor)
    Promoter(services).promote(project, version.name, reason="r")

    answer = try_it(admin, "refund now")

    shown = words(answer)
    assert f"{version.name} answers" in shown
    assert "Billing 80% sure that this is right." in shown
    assert "Without Confidence so it speaks refund falls by 60.0 points for it" in shown
    assert '<mark class="for-3">refund</mark> <mark class="for-3">now</mark>' in answer.text
    assert f"None is named: {version.name} keeps no vectors" in shown
    (entry, *_) = services.database.audit_log.newest(limit=1)
    assert (entry.action, entry.subject, entry.detail) == ("try_text", "project 1", f"{version.name} answered.")


def test_what_was_typed_in_is_text_and_is_kept_nowhere(
    services: Services, admin: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    add_project(services)
    caplog.set_level(logging.DEBUG)

    shown = try_it(admin, EVIL).get_data(as_text=True)

    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown
    assert "alert" not in caplog.text
    assert len(services.answers) == 0
    assert not any(b"alert(" in path.read_bytes() for path in services.options.home.rglob("*") if path.is_file())


def test_the_nearest_train_rows_are_named_with_what_people_said(services: Services, admin: FlaskClient) -> None:
    texts = texts_in(Split.TRAIN, 3)
    project = add_project(services, texts)
    for number in (1, 2, 3):
        services.studio.submit_annotation(number, {"result": choice("Returns" if number == 2 else "Billing")})
    version = add_version(services, project, snapshot_id=export_project(services, project).id)
    predictor = FakePredictor(version.name, default="Billing")
    predictor.neighbours = [(text_key(texts[1]), 0.93), (text_key("gone"), 0.9), (text_key(texts[0]), 0.71)]
    services.load_predictor.put(version.path, predictor)
    Promoter(services).promote(project, version.name, reason="r")

    shown = words(try_it(admin, "any text"))

    assert f"2 {texts[1]} Returns 0.93 1 {texts[0]} Billing 0.71" in shown
    found = admin.get(PAGE, headers=HTML).text
    assert "/projects/1/data?task=2" not in found


def test_marked_pieces_are_shown_in_the_text(services: Services, admin: FlaskClient) -> None:
    project = add_project(services, label_config=ENTITIES)
    version = add_version(services, project)
    spans = (Span(0, 4, "PER"), Span(9, 13, "PER"))
    answer = ScoredTarget(spans, 0.7, dict.fromkeys(spans, 0.9))
    services.load_predictor.put(version.path, FakePredictor(version.name, others={"people": answer}))
    Promoter(services).promote(project, version.name, reason="r")

    shown = try_it(admin, "Anna met Otto")

    assert '<mark class="for-2">Anna<small> PER</small></mark> met <mark class="for-2">Otto' in shown.text
    assert "no control is answered with labels of the whole text" in words(shown)


def test_each_field_that_is_read_has_a_box(services: Services, admin: FlaskClient) -> None:
    add_project(services, label_config=TWO_FIELDS)

    form = admin.get(PAGE, headers=HTML).text
    assert re.findall(r'<label for="text-\d">(\w+)<', form) == ["title", "body"]
    shown = words(try_it(admin, "late", "where is it"))

    assert "does not answer mood" in shown
    assert "<small>title</small>" not in shown


@pytest.mark.parametrize(
    ("text", "problem"), [(" ", "no text found"), ("x" * 5001, "5,001 characters found; give 5,000 at most")]
)
def test_a_text_that_cannot_be_tried_stays_on_the_page(
    services: Services, admin: FlaskClient, text: str, problem: str
) -> None:
    add_project(services)

    answer = try_it(admin, text)

    assert problem in words(answer)
    assert text.strip() in answer.text


def test_a_few_texts_are_tried_at_a_time_and_no_more(app: Flask, services: Services, admin: FlaskClient) -> None:
    add_project(services)
    places = threading.BoundedSemaphore(try_api.MOST_AT_ONCE)
    app.extensions[try_api.KEY] = places
    for _ in range(try_api.MOST_AT_ONCE):
        places.acquire()

    assert "2 texts are being tried now" in words(try_it(admin, "a text"))
    places.release()
    assert "sure that this is right" in words(try_it(admin, "a text"))


def test_scripts_ask_with_json(services: Services, admin: FlaskClient) -> None:
    add_project(services)
    token = re.findall(r'name="csrf-token" content="([^"]+)"', admin.get(PAGE, headers=HTML).text)[0]

    found = admin.post("/api/projects/1/try", json={"texts": {"text": "where is it"}}, headers={"X-CSRFToken": token})
    wrong = admin.post("/api/projects/1/try", json={"texts": {"other": "x"}}, headers={"X-CSRFToken": token})

    odd = {"texts": {"text": "half \ud83d, \x00, \x1e, \x1f"}}
    assert admin.post("/api/projects/1/try", json=odd, headers={"X-CSRFToken": token}).status_code == 200
    assert [(each["control"], each["answer"]) for each in found.get_json()["answers"]] == [("category", "Billing")]
    assert (wrong.status_code, wrong.get_json()["error"]) == (
        400,
        "field 'other' found; this project reads 'text'",
    )
