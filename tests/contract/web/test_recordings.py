"""What Label Studio 1.23.2 really sent to a backend, sent to both applications that answer for this one."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml_backend.domain.event import EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.snapshot import Split
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.jobs.project_upkeep import ProjectUpkeep
from ml_backend.workflows.services import Services
from tests.contract.web.applications import APPLICATIONS, LABEL_STUDIO_ML, OWN, Application
from tests.recordings import recorded, recorded_names
from tests.running import until
from tests.services import CONFIG, texts_in, with_settings

ENDPOINTS = {"setup": "/setup", "predict": "/predict", "webhook": "/webhook"}
HEADERS = {"User-Agent": "heartex/1.23.2+0.gdf96d79.dirty", "Host": "localhost:9090"}
GUARDED = {"LABELLOOP_PASSWORD": "secret-of-backend", "LABELLOOP_WEBHOOK_PASSWORD": "secret-of-webhook"}
WEBHOOKS, BACKENDS = basic_auth("webhook", "secret-of-webhook"), basic_auth("labelloop", "secret-of-backend")
NEW_EVENTS = {
    "webhook_annotation_created": 1,
    "webhook_annotation_created_entities": 1,
    "webhook_annotation_created_prelabel_accepted": 1,
    "webhook_annotation_created_prelabel_changed": 1,
    "webhook_annotation_created_skipped": 1,
    "webhook_annotation_created_textarea": 1,
    "webhook_annotation_updated": 1,
    "webhook_annotation_updated_prelabel_changed": 1,
    "webhook_annotation_updated_starred": 1,
    "webhook_annotations_created": 1,
    "webhook_annotations_deleted_many": 3,
    "webhook_annotations_deleted_one": 1,
    "webhook_no_payload": 0,
    "webhook_project_updated": 0,
    "webhook_start_training": 0,
    "webhook_tasks_created": 0,
    "webhook_tasks_created_one": 0,
    "webhook_tasks_deleted": 0,
}
# Action, what became of the pre-label, whether it was a skip, whether it is starred.
OUTCOMES = {
    "webhook_annotation_created": (EventAction.CREATED, PrelabelOutcome.NONE, False, False),
    "webhook_annotation_created_prelabel_accepted": (EventAction.CREATED, PrelabelOutcome.ACCEPTED, False, False),
    "webhook_annotation_created_prelabel_changed": (EventAction.CREATED, PrelabelOutcome.CHANGED, False, False),
    "webhook_annotation_created_skipped": (EventAction.CREATED, PrelabelOutcome.ACCEPTED, True, False),
    "webhook_annotation_updated_prelabel_changed": (EventAction.UPDATED, PrelabelOutcome.CHANGED, False, False),
    "webhook_annotation_updated_starred": (EventAction.UPDATED, PrelabelOutcome.NONE, False, True),
    "webhook_annotations_created": (EventAction.CREATED, PrelabelOutcome.ACCEPTED, False, False),
}


def only(*applications: Application) -> pytest.MarkDecorator:
    """For what the others do not do."""
    return pytest.mark.parametrize("application", applications, indirect=True, ids=lambda each: each.name)


def heard_calls(*recordings: str) -> pytest.MarkDecorator:
    """Every application with each of these calls of the webhook that it hands to labelloop."""
    calls = [
        pytest.param(application, name, id=f"{application.name}-{name}")
        for application in APPLICATIONS
        for name in recordings
        if name not in application.deaf_to | application.refused
    ]
    return pytest.mark.parametrize(("application", "name"), calls, indirect=["application"])


def send(client: FlaskClient, name: str, path: str | None = None, **headers: str) -> TestResponse:
    """As Label Studio sends it: its headers, and no more."""
    return client.post(path or ENDPOINTS[name.partition("_")[0]], json=recorded(name), headers=HEADERS | headers)


def test_every_kind_of_call_is_recorded() -> None:
    assert len(recorded_names("setup")) == 2
    assert len(recorded_names("predict")) == 4
    assert recorded_names("webhook") == sorted(NEW_EVENTS)


@only(OWN)
def test_no_recorded_call_makes_any_endpoint_fail(client: FlaskClient) -> None:
    failures = {}
    for path in ("/setup", "/predict", "/webhook"):
        for name in recorded_names("setup") + recorded_names("predict") + recorded_names("webhook"):
            response = send(client, name, path)
            if response.status_code >= 500 or not isinstance(response.get_json(), dict):
                failures[path, name] = response.status

    assert failures == {}


@pytest.mark.parametrize("name", ["setup", "setup_extra_params"], ids=["single choice", "multiple choice"])
def test_setup_is_accepted(services: Services, client: FlaskClient, name: str) -> None:
    response = send(client, name)

    (project,) = services.database.projects.all()
    assert response.get_json() == {"model_version": f"{project.ref.key}-cold-start-{project.label_config_fingerprint}"}
    assert project.label_config == recorded(name)["schema"]


def test_setup_starts_loading_the_model_that_answers(services: Services, client: FlaskClient) -> None:
    version = send(client, "setup").get_json()["model_version"]

    loaded = until(lambda: services.champions.loaded(services.database.projects.get(1)))
    assert loaded.version == version


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("<View", "not well-formed XML"),
        ("", "the label config is empty"),
        ('<!DOCTYPE View [<!ENTITY e "x">]><View><Text name="text" value="$text"/>&e;</View>', "label config"),
        ("<View><Text name='t' value='$t'/></View>", "there is no control at all"),
        (
            CONFIG.replace('choice="single"', 'choice="single" perRegion="true"'),
            "<Choices name='category'> is asked per region, not per task",
        ),
    ],
)
def test_a_label_config_that_cannot_be_served_is_refused_in_words(
    services: Services, client: FlaskClient, schema: str, problem: str
) -> None:
    response = client.post("/setup", json=recorded("setup") | {"schema": schema}, headers=HEADERS)

    assert response.status_code == 422
    assert problem in response.status
    assert services.database.projects.all() == []


@pytest.mark.parametrize("name", ["predict_one_task", "predict_several_tasks", "predict_test_request"])
def test_predict_answers_what_label_studio_accepts(client: FlaskClient, name: str) -> None:
    version = send(client, "setup").get_json()["model_version"]

    results = send(client, name).get_json()["results"]

    assert len(results) == len(recorded(name)["tasks"])
    for entry in results:
        assert set(entry) == {"result", "score", "model_version"}
        assert entry["model_version"] == version
        assert entry["score"] is None or 0 <= entry["score"] <= 1
        assert isinstance(entry["result"], list)


def test_each_task_gets_its_entry_in_order_also_where_nothing_can_be_said(client: FlaskClient) -> None:
    (seen,), (held_out,) = texts_in(Split.TRAIN, 1), texts_in(Split.TEST, 1)
    body = recorded("predict_several_tasks")
    texts = ("", seen, held_out, seen, None)
    tasks = [{"id": number, "data": {"text": text}} for number, text in enumerate(texts, start=1)]
    body |= {"label_config": CONFIG, "tasks": [*tasks, {"id": 9, "data": {}}]}

    results = client.post("/predict", json=body, headers=HEADERS).get_json()["results"]

    ticked = [[region["value"]["choices"] for region in entry["result"]] for entry in results]
    assert ticked == [[], [["Billing"]], [], [["Billing"]], [], []]
    assert [entry["score"] for entry in results][:2] == [None, 0.6]
    assert 0 <= results[2]["score"] <= 1


def test_an_interactive_call_is_answered_like_any_other(client: FlaskClient) -> None:
    body = recorded("predict_one_task")
    plain = client.post("/predict", json=body, headers=HEADERS)
    body["params"]["context"] = recorded("predict_interactive")["params"]["context"]

    interactive = client.post("/predict", json=body, headers=HEADERS)

    assert body["params"]["context"]
    assert interactive.status_code == 200
    assert interactive.get_json() == plain.get_json()


def test_what_was_drawn_is_marked_further_on_where_a_setting_says_so(
    services: Services, application: Application
) -> None:
    text, held_out = (texts_in(split, 1)[0] for split in (Split.TRAIN, Split.TEST))
    marks = '<Labels name="ner" toName="text"><Label value="PER"/></Labels>'
    value = {"start": text.index("message"), "end": text.index("message") + 7, "text": "message", "labels": ["PER"]}
    drawn = {"id": "uBe", "from_name": "ner", "to_name": "text", "type": "labels", "origin": "manual", "value": value}
    body = recorded("predict_one_task") | {"label_config": f'<View><Text name="text" value="$text"/>{marks}</View>'}
    body["tasks"] = [{"id": 1, "data": {"text": f"{text} message"}}, {"id": 2, "data": {"text": held_out}}]
    body["params"]["context"] = {"result": [drawn]}
    client = application.make(with_settings(services, mark_further=True)).test_client()

    further, blind = client.post("/predict", json=body, headers=HEADERS).get_json()["results"]

    assert [region["value"] for region in further["result"]] == [
        {**value, "start": len(text) + 1, "end": len(text) + 8}
    ]
    assert (further["score"], blind["result"], blind["score"]) == (None, [], None)


@pytest.mark.parametrize("extra_params", [{"threshold": 0.5}, '{"threshold": 0.5}', "not JSON", ["a"]])
def test_extra_params_of_any_shape_do_no_harm(client: FlaskClient, extra_params: object) -> None:
    version = send(client, "setup").get_json()["model_version"]

    answer = client.post("/setup", json=recorded("setup") | {"extra_params": extra_params}, headers=HEADERS)

    assert answer.get_json() == {"model_version": version}


@pytest.mark.parametrize(
    ("path", "change"),
    [("/setup", {"project": "x"}), ("/predict", {"project": "x"}), ("/predict", {"tasks": [{"id": 1}]})],
)
def test_what_label_studio_never_sends_is_refused_in_words(
    client: FlaskClient, path: str, change: dict[str, object]
) -> None:
    body = recorded("setup" if path == "/setup" else "predict_one_task") | change

    response = client.post(path, json=body, headers=HEADERS)

    assert response.status_code == 400
    assert f"{path}: not what Label Studio sends" in response.status


@heard_calls(*recorded_names("webhook"))
def test_a_call_of_the_webhook_is_acknowledged_once_and_harmless_twice(
    services: Services, application: Application, client: FlaskClient, name: str
) -> None:
    first, second = send(client, name), send(client, name)

    assert first.status_code == second.status_code == application.acknowledged
    answer = application.heard(first)
    assert (answer["status"], answer["new_events"]) == ("ok", NEW_EVENTS[name])
    assert application.heard(second)["new_events"] == 0
    assert len(services.database.jobs.newest()) == (name == "webhook_start_training")


@only(LABEL_STUDIO_ML)
@pytest.mark.parametrize("name", sorted(LABEL_STUDIO_ML.deaf_to))
def test_label_studio_ml_drops_these_events(services: Services, client: FlaskClient, name: str) -> None:
    client.post("/setup", json=recorded("setup") | {"project": "6.1795198252"})
    project = services.database.projects.get(6)

    response = send(client, name)

    assert (response.status_code, response.get_json()) == (200, {"status": "Unknown event"})
    assert services.database.events.history(recorded(name)["project"]["id"]) == {}
    assert services.database.jobs.newest() == []
    assert services.database.projects.all() == [project]


@only(LABEL_STUDIO_ML)
@pytest.mark.parametrize("name", sorted(LABEL_STUDIO_ML.refused))
def test_label_studio_ml_fails_at_an_event_without_its_project(client: FlaskClient, name: str) -> None:
    assert send(client, name).status_code == 500


@heard_calls(*OUTCOMES)
def test_what_happened_to_an_annotation_is_kept(services: Services, client: FlaskClient, name: str) -> None:
    body = recorded(name)
    sent = body["annotation"][0] if isinstance(body["annotation"], list) else body["annotation"]

    send(client, name)

    event = services.database.events.history(body["project"]["id"])[sent["id"]]
    assert (event.action, event.prelabel, event.was_cancelled, event.ground_truth) == OUTCOMES[name]
    assert (event.task_id, event.annotator, event.lead_time_s) == (sent["task"], "1", sent["lead_time"])
    assert (event.parent_prediction, event.changed_at) == (sent["parent_prediction"], sent["updated_at"])
    assert services.database.projects.all() == []  # of an unknown project, which an event does not add


def test_start_training_of_a_project_that_cannot_be_served_is_refused_in_words(
    services: Services, client: FlaskClient
) -> None:
    body = recorded("webhook_start_training")
    body["project"]["label_config"] = "<View/>"

    response = client.post("/webhook", json=body, headers=HEADERS)

    assert response.status_code == 422
    assert "there is no control at all" in response.status
    assert "there is no control at all" in response.get_json()["error"]
    assert services.database.jobs.newest() == []


def test_start_training_queues_a_job_for_a_project_seen_for_the_first_time(
    services: Services, application: Application, client: FlaskClient
) -> None:
    answer = application.heard(send(client, "webhook_start_training"))

    (job,) = services.database.jobs.newest()
    assert answer == {"status": "ok", "new_events": 0, "job": job.id, "state": "queued"}
    assert services.database.projects.get(1).ref.key == "p-choices-1"


def confirm(services: Services) -> None:
    """Let the worker ask Label Studio, where the project is as it was recorded."""
    services.studio.projects[6] = recorded("webhook_project_updated")["project"]
    services.studio.import_tasks(6, [{"data": {"text": text}} for text in texts_in(Split.TRAIN, 2)])
    ProjectUpkeep(services, again_s=0).run()


@only(OWN)
def test_imported_tasks_of_a_connected_project_queue_a_push(services: Services, client: FlaskClient) -> None:
    client.post("/setup", json=recorded("setup") | {"project": "6.1795198252"})

    answers = [send(client, name).get_json() for name in ("webhook_tasks_created", "webhook_tasks_created_one")]

    assert answers == [{"status": "ok", "new_events": 0}] * 2
    assert services.database.jobs.newest() == []
    confirm(services)
    assert [job.kind for job in services.database.jobs.newest()] == ["prelabel"]


@only(OWN)
def test_a_changed_label_config_of_a_connected_project_is_taken_over(services: Services, client: FlaskClient) -> None:
    client.post("/setup", json=recorded("setup") | {"project": "6.1795198252"})
    before = services.database.projects.get(6)

    send(client, "webhook_project_updated")

    assert services.database.projects.get(6) == before
    confirm(services)
    project = services.database.projects.get(6)
    assert project.label_config == recorded("webhook_project_updated")["project"]["label_config"]
    assert project.title == recorded("webhook_project_updated")["project"]["title"]


def test_a_changed_label_config_is_taken_over_at_the_next_setup(services: Services, client: FlaskClient) -> None:
    before = send(client, "setup").get_json()["model_version"]
    schema = recorded("setup")["schema"].replace("Negative", "Bad")

    after = client.post("/setup", json=recorded("setup") | {"schema": schema}).get_json()["model_version"]

    project = services.database.projects.get(1)
    assert project.label_config == schema
    assert after == f"labelloop-1-cold-start-{project.label_config_fingerprint}" != before


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, password in GUARDED.items():
        monkeypatch.setenv(setting, password)


def test_the_webhooks_credentials_are_enough_for_every_event_and_not_for_training(
    guarded: None, application: Application, client: FlaskClient
) -> None:
    calls = sorted(NEW_EVENTS.keys() - application.deaf_to - application.refused)

    statuses = {
        name: [send(client, name, **headers).status_code for headers in ({}, {"Authorization": WEBHOOKS})]
        for name in calls
    }

    assert statuses.pop("webhook_start_training") == [401, 403]
    assert statuses == {name: [401, application.acknowledged] for name in statuses}
    answers = {send(client, name, Authorization=BACKENDS).status_code for name in calls}
    assert answers == {application.acknowledged}


@pytest.mark.parametrize("name", ["setup", "predict_one_task"])
def test_only_the_backends_credentials_are_enough_for_setup_and_predict(
    guarded: None, client: FlaskClient, name: str
) -> None:
    answers = [send(client, name, **headers) for headers in ({}, {"Authorization": WEBHOOKS})]

    assert [answer.status_code for answer in answers] == [401, 403]
    assert send(client, name, Authorization=BACKENDS).status_code == 200


@pytest.mark.parametrize("name", ["setup", "predict_one_task", "webhook_annotation_created"])
def test_a_foreign_host_name_is_refused_on_loopback(client: FlaskClient, name: str) -> None:
    assert send(client, name, Host="evil.example").status_code == 403


def test_versions_names_what_serves_each_project(client: FlaskClient) -> None:
    version = send(client, "setup").get_json()["model_version"]

    assert client.get("/versions").get_json() == {"versions": [version]}
