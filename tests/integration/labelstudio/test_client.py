"""The client against a real Label Studio: tokens, large projects, exports, and what a backend is told meanwhile."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.errors import StudioExportError, StudioRejected, StudioUnauthorized, StudioUnreachable
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.files.export_file import read_export, read_tasks
from ml_backend.labelstudio.local import LocalStudio, free_port
from ml_backend.labelstudio.payloads import PredictRequest, SetupRequest, WebhookMessage, parse_webhook
from tests.studio import StubBackend, choice, project_with_tasks, stub_backend, task_ids


@pytest.fixture
def stub() -> Iterator[StubBackend]:
    with stub_backend() as backend:
        yield backend


@pytest.fixture
def personal_token(studio: LocalStudio) -> Iterator[str]:
    """The one that Label Studio lets a user have at a time; it is revoked after the test."""
    answer = httpx.post(f"{studio.url}/api/token/", headers={"Authorization": f"Token {studio.token}"})
    token = str(answer.raise_for_status().json()["token"])
    yield token
    revoke(studio, token)


def revoke(studio: LocalStudio, token: str) -> None:
    headers = {"Authorization": f"Token {studio.token}"}
    answer = httpx.post(f"{studio.url}/api/token/blacklist/", headers=headers, json={"refresh": token})
    assert answer.status_code in (204, 404)


@pytest.fixture
def client_with(studio: LocalStudio) -> Iterator[Callable[..., StudioClient]]:
    """Makes clients with a token, and closes them after the test."""
    with ExitStack() as made:

        def make(token: str, url: str = studio.url) -> StudioClient:
            return made.enter_context(closing(StudioClient(url, token, timeout_s=30, retry_wait_s=0)))

        yield make


def download(client: StudioClient, project_id: int, export_type: str, path: Path) -> Path:
    """What Export in the interface writes."""
    params = {"exportType": export_type}
    with path.open("wb") as target:
        client._http.download(f"api/projects/{project_id}/export", params, target)
    return path


def reviewed_project(client: StudioClient) -> tuple[int, int, int]:
    """Ids of a project, its labeled task and its skipped one; nobody has touched its third."""
    project = project_with_tasks(client, ["labeled", "skipped", "untouched"])
    labeled, skipped, _ = task_ids(client, project.id)
    client.submit_annotation(labeled, {"result": choice("Billing"), "lead_time": 4.5})
    client.submit_annotation(skipped, {"result": [], "was_cancelled": True})
    return project.id, labeled, skipped


def messages(stub: StubBackend) -> list[WebhookMessage]:
    return [parse_webhook(body) for path, _, body in stub.received if path == "/webhook"]


def test_a_token_that_is_none_is_refused_with_the_way_to_get_one(
    studio: LocalStudio, client_with: Callable[..., StudioClient]
) -> None:
    client = client_with("0" * 40)

    with pytest.raises(StudioUnauthorized, match=r"Invalid token.*Account & Settings") as caught:
        client.current_user()

    assert "0" * 40 not in str(caught.value)


def test_the_version_is_told_even_to_a_wrong_token(
    studio: LocalStudio, client_with: Callable[..., StudioClient]
) -> None:
    assert client_with("0" * 40).version() == "1.23.2"


def test_nothing_at_the_address_is_unreachable(studio: LocalStudio, client_with: Callable[..., StudioClient]) -> None:
    client = client_with(studio.token, f"http://localhost:{free_port()}")

    with pytest.raises(StudioUnreachable, match="check that it runs and that LABELLOOP_STUDIO_URL is right"):
        client.version()


def test_a_personal_access_token_reads_and_writes_and_serves_several_threads(
    studio: LocalStudio, client_with: Callable[..., StudioClient], personal_token: str
) -> None:
    client = client_with(personal_token)

    with ThreadPoolExecutor(4) as threads:
        users = list(threads.map(lambda _: client.current_user(), range(8)))
    project = project_with_tasks(client, ["a", "b"])

    assert users == [studio.email] * 8
    assert len(task_ids(client, project.id)) == 2


def test_a_revoked_personal_access_token_is_refused(
    studio: LocalStudio, client_with: Callable[..., StudioClient], personal_token: str
) -> None:
    revoke(studio, personal_token)

    with pytest.raises(StudioUnauthorized, match="blacklisted") as caught:
        client_with(personal_token).current_user()

    assert personal_token not in str(caught.value)


def test_tasks_beyond_one_page_come_once_each_while_predictions_are_pushed_in_between(
    studio_client: StudioClient,
) -> None:
    texts = [f"text {number}" for number in range(1203)]
    project = project_with_tasks(studio_client, texts)

    found = []
    for number, task in enumerate(studio_client.tasks_without_prediction(project.id, "m-v1")):
        found.append(task)
        if number % 400 == 0:
            studio_client.push_predictions(project.id, [(task.id, Prediction((), 0.5, "m-v1"))])

    assert [task.data["text"] for task in found] == texts
    assert studio_client.prediction_counts(project.id) == {"m-v1": 4}


def test_reading_reviewed_tasks_leaves_no_export_behind(studio_client: StudioClient) -> None:
    project_id, *_ = reviewed_project(studio_client)

    assert len(list(studio_client.reviewed_tasks(project_id))) == 2

    assert studio_client._http.get(f"api/projects/{project_id}/exports/") == []


def test_texts_come_back_as_they_were_sent(studio_client: StudioClient) -> None:
    texts = ["", "Zoë said “hi” 👩‍👩‍👧 \r\n\t end", "𝒳 < & > \" ' \\", "\u2028\u0000"]
    project = project_with_tasks(studio_client, texts, tasks=[{"data": {"text": 17}}])
    ids = task_ids(studio_client, project.id)
    for task in ids:
        studio_client.submit_annotation(task, {"result": choice("Billing")})

    found = {task.id: task.data["text"] for task in studio_client.reviewed_tasks(project.id)}

    assert [found[task] for task in ids] == [*texts, 17]


def test_a_json_export_holds_what_the_api_tells(studio_client: StudioClient, tmp_path: Path) -> None:
    project_id, labeled, skipped = reviewed_project(studio_client)

    exported = list(read_export(download(studio_client, project_id, "JSON", tmp_path / "export.json")))

    told = {task.id: task for task in studio_client.reviewed_tasks(project_id)}
    assert {task.id: task for task in exported} == told
    assert set(told) == {labeled, skipped}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("JSON_MIN", "item 1: this is the JSON_MIN format.*choose JSON"),
        ("CSV", "wanted a JSON list of tasks"),
    ],
)
def test_another_export_is_refused(studio_client: StudioClient, tmp_path: Path, kind: str, reason: str) -> None:
    project_id, *_ = reviewed_project(studio_client)
    path = download(studio_client, project_id, kind, tmp_path / "export")

    with pytest.raises(StudioExportError, match=reason):
        list(read_export(path))

    if kind == "JSON_MIN":
        assert [task.data["text"] for _, task in read_tasks(path)] == ["labeled"]


def test_a_backend_is_told_of_the_project_on_setup(
    studio: LocalStudio, studio_client: StudioClient, stub: StubBackend
) -> None:
    project = project_with_tasks(studio_client)

    studio_client.create_backend(project.id, {"url": stub.url, "title": "labelloop", "extra_params": {"a": 1}})

    setups = [SetupRequest.read(body) for path, _, body in stub.received if path == "/setup"]
    assert stub.paths()[:2] == ["/health", "/setup"]
    assert {setup.project_id for setup in setups} == {project.id}
    assert {setup.label_config for setup in setups} == {project.label_config}


def test_a_backend_is_asked_for_predictions_with_the_tasks_in_order(
    studio_client: StudioClient, stub: StubBackend
) -> None:
    project = project_with_tasks(studio_client, ["a", "b", "c"])
    studio_client.create_backend(project.id, {"url": stub.url, "title": "labelloop"})
    ids = task_ids(studio_client, project.id)

    body = {"selectedItems": {"all": True, "excluded": []}}
    params = {"id": "retrieve_tasks_predictions", "project": project.id}
    studio_client._http.send("POST", f"api/dm/actions?{urlencode(params)}", body)

    (asked,) = [PredictRequest.read(body) for path, _, body in stub.received if path == "/predict"]
    assert asked.project_id == project.id
    assert asked.label_config == project.label_config
    assert [(task.id, task.data) for task in asked.tasks] == list(
        zip(ids, [{"text": "a"}, {"text": "b"}, {"text": "c"}], strict=True)
    )
    assert studio_client.prediction_counts(project.id) == {"stub-v1": 3}


def test_every_event_of_a_task_s_life_can_be_read(studio_client: StudioClient, stub: StubBackend) -> None:
    project = project_with_tasks(studio_client)
    headers = {"Authorization": "Basic dTpw"}
    studio_client.create_webhook(
        project.id, {"url": f"{stub.url}/webhook", "send_for_all_actions": True, "headers": headers}
    )
    studio_client.import_tasks(project.id, [{"data": {"text": "a"}}, {"data": {"text": "b"}}])
    first, second = task_ids(studio_client, project.id)
    studio_client.push_predictions(project.id, [(first, Prediction(tuple(choice("Billing")), 0.9, "m-v1"))])
    studio_client.update_project(project.id, {"model_version": "m-v1"})
    pages = studio_client._http.get("api/tasks", {"project": project.id, "fields": "all"})
    prelabel = pages["tasks"][0]["predictions"][0]["id"]

    annotation = studio_client.submit_annotation(first, {"result": choice("Returns"), "parent_prediction": prelabel})
    studio_client._http.send("PATCH", f"api/annotations/{annotation['id']}/", {"result": choice("Billing")})
    studio_client.submit_annotation(second, {"result": [], "was_cancelled": True})
    studio_client._http.send("DELETE", f"api/annotations/{annotation['id']}/")
    studio_client._http.send("DELETE", f"api/tasks/{second}/")

    told = messages(stub)
    assert [message.action for message in told] == [
        "TASKS_CREATED",
        "PROJECT_UPDATED",
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_CREATED",
        "ANNOTATIONS_DELETED",
        "TASKS_DELETED",
    ]
    made, selected, created, updated, skipped, unlabeled, removed = told
    assert {message.project_id for message in told} == {project.id}
    assert {authorization for _, authorization, _ in stub.received} == {headers["Authorization"]}
    assert made.task_ids == (first, second)
    assert selected.project is not None
    assert selected.project.model_version == "m-v1"
    assert [(change.task_id, change.annotation.prelabel) for change in created.annotations] == [
        (first, PrelabelOutcome.CHANGED)
    ]
    assert [(change.prelabel_version, change.annotation.prelabel) for change in updated.annotations] == [
        ("m-v1", PrelabelOutcome.ACCEPTED)
    ]
    assert [(change.task_id, change.annotation.was_cancelled) for change in skipped.annotations] == [(second, True)]
    assert unlabeled.deleted_annotation_ids == (annotation["id"],)
    assert removed.task_ids == (second,)


def test_start_training_reaches_the_backend_with_its_credentials(
    studio_client: StudioClient, stub: StubBackend
) -> None:
    project = project_with_tasks(studio_client, ["a"])
    settings = {"url": stub.url, "title": "labelloop", "auth_method": "BASIC_AUTH"}
    made = studio_client.create_backend(project.id, {**settings, "basic_auth_user": "u", "basic_auth_pass": "p"})
    stub.received.clear()

    studio_client.start_training(made["id"])

    ((path, authorization, body),) = stub.received
    message = parse_webhook(body)
    assert (path, authorization) == ("/webhook", "Basic dTpw")
    assert (message.action, message.project_id, message.annotations) == ("START_TRAINING", project.id, ())


def test_adding_a_backend_that_does_not_answer_is_refused(studio_client: StudioClient) -> None:
    project = project_with_tasks(studio_client)

    with pytest.raises(StudioRejected, match="api/ml with 400"):
        studio_client.create_backend(project.id, {"url": f"http://localhost:{free_port()}", "title": "labelloop"})


def test_an_import_file_of_label_studio_s_own_makes_tasks(studio_client: StudioClient, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"data": {"text": "a"}}, {"text": "b"}]))
    project = project_with_tasks(studio_client)

    made = studio_client.import_tasks(project.id, [item for item, _ in read_tasks(path)])

    assert made == 2
    assert {task.data["text"] for task in studio_client.tasks_without_prediction(project.id, "m-v1")} == {"a", "b"}


def test_half_a_surrogate_pair_is_not_sent_because_label_studio_could_not_show_the_project(
    studio_client: StudioClient,
) -> None:
    project = project_with_tasks(studio_client)

    with pytest.raises(StudioRejected, match="half of a surrogate pair"):
        studio_client.import_tasks(project.id, [{"data": {"text": "half \ud83d"}}])

    assert studio_client.project(project.id).task_count == 0
