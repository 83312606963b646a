"""The API: what its description says, what it refuses, and streams."""

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.job import JobState
from ml_backend.web.api.base import Endpoint
from ml_backend.web.log_tail import log_tail
from ml_backend.web.streams import Streams
from ml_backend.workflows.services import Services
from tests.services import add_project
from tests.visitors import HTML, token_in


@pytest.fixture
def description(admin: FlaskClient) -> Any:
    return admin.get("/api/openapi.json").get_json()


def test_the_description_names_exactly_the_routes(app: Flask, description: Any) -> None:
    described = {
        (method.upper(), path): operation["operationId"]
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    rules = {
        (method, re.sub(r"<(?:int[^:]*:)?(\w+)>", r"{\1}", rule.rule)): rule.endpoint.removeprefix("api.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert description["openapi"].startswith("3.1")
    assert described == rules


def test_every_reference_of_the_description_leads_somewhere(description: Any) -> None:
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(description)))

    assert references - description["components"]["schemas"].keys() == set()
    assert all(operation["summary"] for path in description["paths"].values() for operation in path.values())


def test_answers_have_the_form_that_the_description_gives(services: Services, admin: FlaskClient) -> None:
    add_project(services)
    services.database.jobs.request("train", 1, {"trigger": "page"}, dedupe_key="x", claim=True)

    for name, path in (
        ("projects", "/projects"),
        ("project", "/projects/1"),
        ("jobs", "/jobs"),
        ("job", "/jobs/1"),
        ("audit_log", "/audit-log"),
    ):
        model = Endpoint.all()[name].answered()
        answer = model.model_validate(admin.get(f"/api{path}").get_json())
        assert answer.model_dump() == model.model_validate_json(answer.model_dump_json()).model_dump(), name


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/jobs?state=sleeping", "state: Input should be"),
        ("/api/jobs?size=100000", "size: Input should be less"),
        ("/api/jobs?colour=red", "colour: Extra inputs"),
        ("/api/jobs?project=-1", "project: Input should be greater"),
        ("/api/audit-log?before=x", "before: Input should be a valid integer"),
    ],
)
def test_wrong_fields_are_named_with_what_is_wanted(admin: FlaskClient, path: str, message: str) -> None:
    answer = admin.get(path)

    assert answer.status_code == 400
    assert message in answer.get_json()["error"]


@pytest.mark.parametrize(
    "body", ["[]", "null", '"x"', "{", '{"project": "x"}', '{"project": 0}', '{"project": 1, "x": 2}']
)
def test_wrong_bodies_are_refused(admin: FlaskClient, body: str) -> None:
    token = {"X-CSRFToken": token_in(admin.get("/", headers=HTML))}

    answer = admin.post("/api/projects", data=body, content_type="application/json", headers=token)

    assert answer.status_code == 400
    assert "wants project" in answer.get_json()["error"]


def test_a_stream_tells_each_change_until_the_job_is_over(services: Services, admin: FlaskClient) -> None:
    job, _ = services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)
    Streams(tick_s=0.01).register(admin.application)

    stream = admin.get("/api/jobs/1/events").iter_encoded()
    first = next(stream).decode()
    beats = [part.decode() for part in islice(stream, 2)]
    services.database.jobs.progress(job, 0.5, "training", "half")
    changed = next(part.decode() for part in stream if part.startswith(b"data"))
    services.database.jobs.finish(job, JobState.SUCCEEDED)
    rest = [part.decode() for part in stream if part.startswith(b"data")]

    assert first.startswith("retry: 2000\ndata: {")
    assert beats == [": heartbeat\n\n"] * 2
    assert json.loads(changed.removeprefix("data: "))["progress"] == 0.5
    assert json.loads(rest[-1].removeprefix("data: "))["is_over"] is True
    assert admin.get("/api/jobs/1/events").status_code == 204
    assert admin.get("/api/jobs/9/events").status_code == 404


def test_streams_are_bounded_and_a_closed_one_makes_room(services: Services, admin: FlaskClient) -> None:
    services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)

    opened = [admin.get("/api/jobs/1/events") for _ in range(Streams.MOST)]

    assert [each.status_code for each in opened] == [200] * Streams.MOST
    assert admin.get("/api/jobs/1/events").status_code == 204
    opened[0].close()
    assert admin.get("/api/jobs/1/events").status_code == 200


def test_the_end_of_a_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    log.write_bytes(b"".join(b"line %06d\n" % number for number in range(2000)))

    text, left_out = log_tail(log)

    assert text.startswith("line ")
    assert text.endswith("line 001999\n")
    assert left_out + len(text) == 2000 * 12
    assert log_tail(tmp_path / "none.log") == ("", 0)
