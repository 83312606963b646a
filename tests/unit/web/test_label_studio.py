"""What Label Studio calls."""

import logging
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from ml_backend.domain.snapshot import Split
from ml_backend.errors import EncoderError
from ml_backend.web.app import create_app
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import CONFIG, add_project, add_version, build_test_services, texts_in
from tests.visitors import as_backend

TRAIN, (HELD_OUT,) = texts_in(Split.TRAIN, 2), texts_in(Split.TEST, 1)
SETUP = {"project": "1.1795198252", "schema": CONFIG, "hostname": "http://localhost:8080", "access_token": "TOKEN-1"}
PER_REGION = CONFIG.replace('choice="single"', 'choice="single" perRegion="true"')


def predict(client: FlaskClient, *data: dict[str, Any], **more: Any) -> Any:
    tasks = [{"id": number, "data": each} for number, each in enumerate(data, start=1)]
    response = client.post("/predict", json={"project": "1.1", "label_config": CONFIG, "tasks": tasks, **more})
    assert response.status_code == 200, response.get_json()
    return response.get_json()


def test_health_is_up_and_loads_nothing(services: Services, client: FlaskClient) -> None:
    project = add_project(services)

    assert client.get("/health").get_json() == {"status": "UP", "model_class": "labelloop"}
    assert services.champions.loaded(project) is None


def test_setup_remembers_the_project_and_names_the_version_that_predict_answers_with(
    services: Services, client: FlaskClient
) -> None:
    version = client.post("/setup", json=SETUP).get_json()["model_version"]

    project = services.database.projects.get(1)
    assert version == f"labelloop-1-cold-start-{project.label_config_fingerprint}"
    assert [entry["model_version"] for entry in predict(client, {"text": TRAIN[0]})["results"]] == [version]
    assert client.post("/setup", json=SETUP).get_json() == {"model_version": version}
    assert client.get("/versions").get_json() == {"versions": [version]}


def test_setup_predict_and_versions_follow_a_promotion_together(services: Services, client: FlaskClient) -> None:
    client.post("/setup", json=SETUP)
    project = services.database.projects.get(1)
    services.studio.create_project("Tickets", CONFIG)
    version = add_version(services, project, "Returns")
    Promoter(services).promote(project, version.name, reason="r")
    services.champions.refresh(project)

    assert client.post("/setup", json=SETUP).get_json() == {"model_version": version.name}
    assert predict(client, {"text": TRAIN[0]})["results"][0]["model_version"] == version.name
    assert client.get("/versions").get_json() == {"versions": [version.name]}


def test_setup_answers_while_the_model_is_still_loading(services: Services, client: FlaskClient) -> None:
    may_load = threading.Event()

    def load_slowly(project: object) -> FakePredictor:
        may_load.wait()
        return FakePredictor("labelloop-1-cold-start-x", {}, "Billing")

    services.champions._cold_start = load_slowly
    try:
        assert client.post("/setup", json=SETUP).status_code == 200
    finally:
        may_load.set()


def test_a_model_that_cannot_be_loaded_fails_predict_and_not_setup(services: Services, client: FlaskClient) -> None:
    def fail(project: object) -> FakePredictor:
        raise EncoderError("base model 'x' is not a folder; give one")

    services.champions._cold_start = fail

    assert client.post("/setup", json=SETUP).status_code == 200
    response = client.post("/predict", json={"project": "1.1", "label_config": CONFIG, "tasks": []})
    assert response.status == "500 base model 'x' is not a folder; give one"
    assert client.get("/health").status_code == 200


SETUPS = [[], "x", 5, {}, {"project": "1.1"}, {"project": "x.1", "schema": CONFIG}, {"project": "1.1", "schema": 5}]
PREDICTS = [
    {"project": "1.1", "label_config": CONFIG, "tasks": tasks}
    for tasks in (None, {}, [{"id": 1}], [{"id": 1, "data": []}], ["x"])
]


@pytest.mark.parametrize(
    ("path", "body"), [*(("/setup", body) for body in SETUPS), *(("/predict", body) for body in PREDICTS)]
)
def test_a_call_that_is_none_is_a_bad_request(client: FlaskClient, path: str, body: object) -> None:
    assert client.post(path, json=body).status_code == 400


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        *((data, "not JSON") for data in ("", "{", "null", "NaN}")),
        ("[" * 100_000, "nested more than 200 deep"),
        ('{"a":' * 300 + "1" + "}" * 300, "nested more than 200 deep"),
        ('{"action":"\\ud800","project":' + "[" * 5000, "nested more than 200 deep"),
    ],
    ids=str,
)
def test_bodies_that_cannot_be_read_are_bad_requests(client: FlaskClient, data: str, problem: str) -> None:
    for path in ("/setup", "/predict", "/webhook"):
        response = client.post(path, data=data, content_type="application/json")

        assert response.status_code == 400, path
        assert problem in response.get_json()["error"], path


@pytest.mark.parametrize(
    "params", ["[" * 100_000, {"key": [{"a": "[["}]}, '{"key": "half \\ud800"}', "key=value \ud800"]
)
def test_no_extra_parameters_make_setup_fail(client: FlaskClient, params: object) -> None:
    assert client.post("/setup", json=SETUP | {"extra_params": params}).status_code == 200


@pytest.mark.parametrize("project", [0, "0.1795198252", -1, 2**63, f"{10**30}.1", "1e5.1", None, [1], 1.5])
def test_a_project_that_label_studio_cannot_have_is_a_bad_request(
    services: Services, client: FlaskClient, project: object
) -> None:
    bodies = {
        "/setup": SETUP | {"project": project},
        "/predict": {"project": project, "label_config": CONFIG, "tasks": []},
        "/webhook": {"action": "START_TRAINING", "project": {"id": project, "label_config": CONFIG}},
    }

    assert {path: client.post(path, json=body).status_code for path, body in bodies.items()} == dict.fromkeys(
        bodies, 400
    )
    assert services.database.projects.all() == []


def test_the_largest_id_is_a_project_like_any_other(services: Services, client: FlaskClient) -> None:
    assert client.post("/setup", json=SETUP | {"project": f"{2**63 - 1}.1"}).status_code == 200
    assert [project.id for project in services.database.projects.all()] == [2**63 - 1]


def test_what_has_no_such_id_is_not_found(services: Services) -> None:
    client = as_backend(services)
    for number in ("0", "-1", str(2**63 - 1), str(2**63), str(10**30), "1" * 5000, "\0", "1\ud800", "٣"):
        for path in ("/api/projects/{}/train", "/api/jobs/{}/cancel", "/api/jobs/{}/resume"):
            response = client.post(quote(path.format(number), errors="surrogatepass"), json={})

            assert response.status_code == 404, (path, number)
            assert "error" in response.get_json()


@pytest.mark.parametrize("typed", ["\0", "half \ud800", "\udc00\ud83d", "x" * 100_000])
def test_titles_and_texts_hold_any_characters(services: Services, client: FlaskClient, typed: str) -> None:
    add_project(services)
    event = {"action": "PROJECT_UPDATED", "project": {"id": 1, "title": typed, "label_config": CONFIG}}

    assert client.post("/webhook", json=event).status_code == 200
    assert as_backend(services).get("/").status_code == 200
    assert len(predict(client, {"text": TRAIN[0] + typed})["results"]) == 1


def test_the_host_named_in_setup_is_neither_called_nor_kept(services: Services, client: FlaskClient) -> None:
    services.studio.refusals = dict.fromkeys(("project", "version", "backends"), AssertionError("called"))

    assert client.post("/setup", json=SETUP | {"hostname": "http://evil.test"}).status_code == 200
    assert "evil.test" not in client.get("/").get_data(as_text=True)


@pytest.mark.parametrize("count", [0, 1, 700])
def test_as_many_answers_as_tasks(client: FlaskClient, count: int) -> None:
    assert len(predict(client, *({"text": f"text {n}"} for n in range(count)))["results"]) == count


def test_tasks_carry_annotations_and_predictions_of_all_shapes(client: FlaskClient) -> None:
    task = {
        "id": 1,
        "data": {"text": TRAIN[0]},
        "annotations": [{"id": 5, "result": None, "completed_by": {"id": 1}}],
        "predictions": [7, {"id": 8, "result": []}],
        "meta": {},
        "unknown": 1,
    }
    params = {"login": None, "password": None, "context": {"result": [{"x": 1}]}}

    body = {"project": "1.1", "label_config": CONFIG, "tasks": [task], "params": params}

    assert len(client.post("/predict", json=body).get_json()["results"]) == 1


def test_one_bad_event_does_not_spoil_the_next(services: Services, client: FlaskClient) -> None:
    assert client.post("/webhook", json={"action": "ANNOTATION_CREATED", "annotation": {}}).status_code == 400
    assert client.post("/webhook", json={"action": "TASKS_DELETED"}).get_json() == {"status": "ok", "new_events": 0}


def test_start_training_of_an_unknown_project_says_how_to_connect_it(client: FlaskClient) -> None:
    response = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 9}})

    assert response.status_code == 404
    assert "labelloop connect 9" in response.status


def test_events_are_counted_under_known_names_alone(services: Services, client: FlaskClient) -> None:
    for action in ("TASKS_CREATED", "x" * 50, "<script>"):
        client.post("/webhook", json={"action": action})

    metrics = client.get("/metrics").get_data(as_text=True)

    assert 'labelloop_events_total{action="TASKS_CREATED"} 1.0' in metrics
    assert 'labelloop_events_total{action="other"} 2.0' in metrics
    assert "script" not in metrics


def test_no_secret_reaches_log_page_or_metrics(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    services = build_test_services(tmp_path, password="SECRET-1", webhook_password="SECRET-2", studio_token="SECRET-3")
    client = create_app(services).test_client()
    project = {"id": 1, "title": "Tickets", "label_config": PER_REGION, "token": "SECRET-4"}
    setup = SETUP | {"access_token": "SECRET-5", "extra_params": {"key": "SECRET-6"}}
    params = {"login": "SECRET-7", "password": "SECRET-8"}
    requests: list[tuple[str, Any]] = [
        ("/setup", setup),
        ("/setup", setup | {"schema": PER_REGION}),
        ("/setup", {"access_token": "SECRET-5", "project": "SECRET-9"}),
        ("/predict", {"project": "1.1", "label_config": CONFIG, "tasks": [{}], "params": params}),
        ("/predict", {"project": "1.1", "label_config": CONFIG, "tasks": [{"data": {}}], "params": params}),
        ("/webhook", {"action": "START_TRAINING", "project": project}),
        ("/webhook", {"action": "PROJECT_UPDATED", "project": project}),
        ("/webhook", {"action": "ANNOTATION_CREATED", "annotation": {"id": "SECRET-10"}, "project": project}),
    ]
    answers = []
    for auth in (("labelloop", "SECRET-1"), ("labelloop", "SECRET-wrong"), ("webhook", "SECRET-2")):
        for path, body in requests:
            response = client.post(path, json=body, auth=auth)
            answers.append(response.status + response.get_data(as_text=True))
        answers += [client.get(path, auth=auth).get_data(as_text=True) for path in ("/", "/metrics", "/versions")]

    assert len(caplog.messages) >= 4
    assert "SECRET" not in caplog.text
    assert "SECRET" not in "".join(answers)
    assert "SECRET" not in repr(services.options)
