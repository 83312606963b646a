"""What Label Studio promises at its port: the real one, and the one in memory that other tests use."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.ports import Studio
from ml_backend.errors import StudioRejected
from tests.fake_studio import FakeStudio
from tests.studio import StubBackend, choice, project_with_tasks, stub_backend, task_ids

UNKNOWN = 10**6
OTHER_CONTROL = [{"from_name": "unknown", "to_name": "text", "type": "choices", "value": {"choices": ["Billing"]}}]


@dataclass(frozen=True)
class Instance:
    """A Label Studio, and what a person does in its interface.

    Attributes:
        delete_task: deletes a task by id.
    """

    port: Studio
    delete_task: Callable[[int], None]


@pytest.fixture(scope="module", params=["in memory", "real"])
def instance(request: pytest.FixtureRequest) -> Instance:
    if request.param == "in memory":
        fake = FakeStudio()
        return Instance(fake, fake.remove_task)
    running, client = request.getfixturevalue("studio"), request.getfixturevalue("studio_client")

    def delete_task(task_id: int) -> None:
        headers = {"Authorization": f"Token {running.token}"}
        httpx.delete(f"{running.url}/api/tasks/{task_id}/", headers=headers).raise_for_status()

    return Instance(client, delete_task)


@pytest.fixture
def port(instance: Instance) -> Studio:
    return instance.port


@pytest.fixture(scope="module")
def stub() -> Iterator[StubBackend]:
    with stub_backend() as backend:
        yield backend


def prediction(version: str, label: str = "Billing", score: float | None = 0.8) -> Prediction:
    return Prediction(tuple(choice(label)), score, version)


def reviewed(port: Studio, project_id: int) -> dict[str, Task]:
    tasks = list(port.reviewed_tasks(project_id))
    by_text = {str(task.data["text"]): task for task in tasks}
    assert len(by_text) == len(tasks)
    return by_text


def missing(port: Studio, project_id: int, version: str) -> Counter[str]:
    return Counter(str(task.data["text"]) for task in port.tasks_without_prediction(project_id, version))


def test_it_tells_its_version_and_the_owner_of_the_token(port: Studio) -> None:
    assert port.version() == "1.23.2"
    assert port.current_user() == "admin@example.com"


def test_a_new_project_is_as_it_was_asked_for(port: Studio) -> None:
    made = project_with_tasks(port, ["a", "b"], title="Support tickets")

    found = port.project(made.id)

    assert (found.title, found.label_config, found.task_count) == ("Support tickets", made.label_config, 2)
    assert (found.model_version, found.sampling, found.show_collab_predictions) == ("", "Sequential sampling", True)


def test_a_title_that_is_too_short_is_refused_with_the_reason(port: Studio) -> None:
    with pytest.raises(StudioRejected, match="at least 3 characters") as caught:
        project_with_tasks(port, title="ab")

    assert caught.value.status == 400


def test_a_label_config_that_is_none_is_refused(port: Studio) -> None:
    with pytest.raises(StudioRejected) as caught:
        project_with_tasks(port, label_config="<View><Choices")

    assert caught.value.status == 400


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.project(UNKNOWN),
        lambda port: list(port.reviewed_tasks(UNKNOWN)),
        lambda port: port.prediction_counts(UNKNOWN),
        lambda port: port.update_project(UNKNOWN, {"sampling": "Uniform sampling"}),
        lambda port: port.submit_annotation(UNKNOWN, {"result": choice("Billing")}),
        lambda port: port.delete_webhook(UNKNOWN),
    ],
)
def test_what_does_not_exist_is_refused_with_404(port: Studio, call: Callable[[Studio], Any]) -> None:
    with pytest.raises(StudioRejected) as caught:
        call(port)

    assert caught.value.status == 404


def test_one_task_without_the_labelled_field_stops_the_whole_import(port: Studio) -> None:
    project = project_with_tasks(port)

    with pytest.raises(StudioRejected) as caught:
        port.import_tasks(project.id, [{"data": {"text": "a"}}, {"data": {"body": "b"}}])

    assert caught.value.status == 400
    assert port.project(project.id).task_count == 0


def test_imported_annotations_are_not_ground_truth_unless_they_say_so(port: Studio) -> None:
    tasks = [
        {"data": {"text": "plain"}, "annotations": [{"result": choice("Billing")}]},
        {"data": {"text": "starred"}, "annotations": [{"result": choice("Billing"), "ground_truth": True}]},
    ]
    project = project_with_tasks(port, tasks=tasks)

    found = reviewed(port, project.id)

    assert {text: task.annotations[0].ground_truth for text, task in found.items()} == {"plain": False, "starred": True}


def test_reviewed_tasks_are_those_with_an_annotation_skipped_ones_included(port: Studio) -> None:
    project = project_with_tasks(port, ["untouched", "labeled", "skipped", "both"])
    _, labeled, skipped, both = task_ids(port, project.id)
    port.submit_annotation(labeled, {"result": choice("Billing"), "lead_time": 2.5})
    port.submit_annotation(skipped, {"result": choice("Returns"), "was_cancelled": True})
    port.submit_annotation(both, {"result": [], "was_cancelled": True})
    port.submit_annotation(both, {"result": choice("Shipping")})

    found = reviewed(port, project.id)

    assert {text: [each.was_cancelled for each in task.annotations] for text, task in found.items()} == {
        "labeled": [False],
        "skipped": [True],
        "both": [True, False],
    }
    (annotation,) = found["labeled"].annotations
    assert found["labeled"].id == labeled
    assert annotation.result[0]["value"] == {"choices": ["Billing"]}
    assert (annotation.lead_time_s, annotation.annotator, annotation.ground_truth) == (2.5, "1", False)
    assert annotation.created_at is not None
    assert annotation.updated_at is not None


def test_reviewed_tasks_tell_what_became_of_the_prelabel(port: Studio) -> None:
    project = project_with_tasks(port, ["accepted", "changed", "alone"])
    accepted, changed, alone = task_ids(port, project.id)
    port.push_predictions(project.id, [(task, prediction("m-v1")) for task in (accepted, changed)])
    shown = prelabel_ids(port, project.id)
    port.submit_annotation(accepted, {"result": choice("Billing"), "parent_prediction": shown[accepted]})
    port.submit_annotation(changed, {"result": choice("Returns"), "parent_prediction": shown[changed]})
    port.submit_annotation(alone, {"result": choice("Returns")})

    found = reviewed(port, project.id)

    assert {text: task.annotations[0].prelabel for text, task in found.items()} == {
        "accepted": PrelabelOutcome.ACCEPTED,
        "changed": PrelabelOutcome.CHANGED,
        "alone": PrelabelOutcome.NONE,
    }
    assert found["accepted"].annotations[0].parent_prediction == shown[accepted]


def prelabel_ids(port: Studio, project_id: int) -> dict[int, int]:
    """Id of the one prediction per task, as the interface has it."""
    if isinstance(port, FakeStudio):
        return {row["task"]: number for number, row in port.predictions.items()}
    pages = port._http.get("api/tasks", {"project": project_id, "fields": "all"})  # type: ignore[attr-defined]
    return {task["id"]: task["predictions"][0]["id"] for task in pages["tasks"] if task["predictions"]}


def test_labeled_tasks_need_no_prediction_and_skipped_ones_still_do(port: Studio) -> None:
    project = project_with_tasks(port, ["untouched", "labeled", "skipped"])
    _, labeled, skipped = task_ids(port, project.id)
    port.submit_annotation(labeled, {"result": choice("Billing")})
    port.submit_annotation(skipped, {"result": [], "was_cancelled": True})

    assert missing(port, project.id, "m-v1") == Counter(["untouched", "skipped"])


def test_tasks_without_a_prediction_come_with_their_data_alone(port: Studio) -> None:
    project = project_with_tasks(port, tasks=[{"data": {"text": "a", "customer": {"id": 7}, "n": None}}])

    (task,) = port.tasks_without_prediction(project.id, "m-v1")

    assert task == Task(task.id, {"text": "a", "customer": {"id": 7}, "n": None})


def test_versions_that_contain_one_another_are_told_apart(port: Studio) -> None:
    project = project_with_tasks(port, ["none", "v1", "v10", "v10 and v11", "all", "other case"])
    _, v1, v10, v10_v11, every, case = task_ids(port, project.id)
    holders = {"m-v1": [v1, every], "m-v10": [v10, v10_v11, every], "m-v11": [v10_v11, every], "M-V1": [case]}
    for version, tasks in holders.items():
        assert port.push_predictions(project.id, [(task, prediction(version)) for task in tasks]) == len(tasks)

    assert missing(port, project.id, "m-v1") == Counter(["none", "v10", "v10 and v11", "other case"])
    assert missing(port, project.id, "m-v10") == Counter(["none", "v1", "other case"])
    assert missing(port, project.id, "m-v") == Counter(["none", "v1", "v10", "v10 and v11", "all", "other case"])


def test_pushed_predictions_are_counted_per_version(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b", "c"])
    first, second, third = task_ids(port, project.id)

    assert port.push_predictions(project.id, [(first, prediction("m-v1")), (second, prediction("m-v1"))]) == 2
    assert port.push_predictions(project.id, [(third, prediction("m-v2", score=None))]) == 1
    assert port.push_predictions(project.id, []) == 0

    assert port.prediction_counts(project.id) == {"m-v1": 2, "m-v2": 1}


def test_an_empty_prediction_is_stored_and_counts_as_one(port: Studio) -> None:
    project = project_with_tasks(port, ["blind"])
    (task,) = task_ids(port, project.id)

    assert port.push_predictions(project.id, [(task, Prediction((), 0.37, "m-v1"))]) == 1

    assert missing(port, project.id, "m-v1") == Counter()


@pytest.mark.parametrize(
    "invalid",
    [prediction("m-v1", label="Weather"), Prediction(tuple(OTHER_CONTROL), 0.5, "m-v1"), prediction("m-v1", score=1.5)],
    ids=["unknown label", "unknown control", "score above 1"],
)
def test_invalid_predictions_are_dropped_and_not_counted(port: Studio, invalid: Prediction) -> None:
    project = project_with_tasks(port, ["a", "b"])
    first, second = task_ids(port, project.id)

    assert port.push_predictions(project.id, [(first, invalid), (second, prediction("m-v1"))]) == 1

    assert missing(port, project.id, "m-v1") == Counter(["a"])


def test_predictions_of_deleted_tasks_are_left_out_and_the_others_stored(instance: Instance) -> None:
    port = instance.port
    project = project_with_tasks(port, ["stays", "goes", "stays too"])
    tasks = task_ids(port, project.id)
    instance.delete_task(tasks[1])

    assert port.push_predictions(project.id, [(task, prediction("m-v1")) for task in tasks]) == 2
    assert port.push_predictions(project.id, [(tasks[1], prediction("m-v2"))]) == 0

    assert port.prediction_counts(project.id) == {"m-v1": 2}


def test_deleting_a_version_leaves_the_others_and_forgets_where_annotations_came_from(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b"])
    first, second = task_ids(port, project.id)
    port.push_predictions(project.id, [(first, prediction("m-v1"))])
    shown = prelabel_ids(port, project.id)[first]
    port.push_predictions(project.id, [(second, prediction("m-v2"))])
    port.submit_annotation(first, {"result": choice("Billing"), "parent_prediction": shown})

    assert port.delete_predictions(project.id, "m-v1") == 1

    assert port.prediction_counts(project.id) == {"m-v2": 1}
    assert reviewed(port, project.id)["a"].annotations[0].parent_prediction is None


def test_deleting_a_version_that_nobody_pushed_deletes_nothing(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])

    assert port.delete_predictions(project.id, "m-v1") == 0


def test_a_stored_version_can_be_selected_and_an_unknown_one_cannot(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    with pytest.raises(StudioRejected) as caught:
        port.update_project(project.id, {"model_version": "m-v1"})
    port.push_predictions(project.id, [(task, prediction("m-v1"))])

    port.update_project(project.id, {"model_version": "m-v1", "sampling": "Uncertainty sampling"})

    found = port.project(project.id)
    assert caught.value.status == 400
    assert (found.model_version, found.sampling) == ("m-v1", "Uncertainty sampling")


def test_a_submitted_annotation_comes_back_as_stored(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    port.push_predictions(project.id, [(task, prediction("m-v1"))])
    shown = prelabel_ids(port, project.id)[task]

    stored = port.submit_annotation(
        task, {"result": choice("Billing"), "parent_prediction": shown, "lead_time": 3.25, "ground_truth": True}
    )

    assert isinstance(stored["id"], int)
    assert (stored["task"], stored["parent_prediction"], stored["lead_time"]) == (task, shown, 3.25)
    assert (stored["ground_truth"], stored["was_cancelled"], stored["completed_by"]) == (True, False, 1)
    assert stored["result"][0]["value"] == {"choices": ["Billing"]}


def test_a_new_backend_is_selected_and_gets_a_webhook_without_credentials(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    settings = {"url": stub.url, "title": "labelloop", "auth_method": "BASIC_AUTH"}

    made = port.create_backend(project.id, {**settings, "basic_auth_user": "u", "basic_auth_pass": "secret"})

    (found,) = port.backends(project.id)
    (hook,) = port.webhooks(project.id)
    assert found["id"] == made["id"]
    assert (found["url"], found["title"], found["state"]) == (stub.url, "labelloop", "CO")
    assert found["basic_auth_pass_is_set"]
    assert "basic_auth_pass" not in found
    assert port.project(project.id).model_version == "labelloop"
    assert (hook["url"], hook["headers"], hook["send_for_all_actions"]) == (f"{stub.url}/webhook", {}, True)


def test_backends_come_in_the_order_in_which_they_were_made(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    made = [port.create_backend(project.id, {"url": stub.url, "title": title}) for title in ("first", "second")]

    assert [row["id"] for row in port.backends(project.id)] == [row["id"] for row in made]


def test_renaming_a_backend_renames_what_is_selected(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    made = port.create_backend(project.id, {"url": stub.url, "title": "old name"})

    changed = port.update_backend(made["id"], {"url": stub.url, "project": project.id, "title": "new name"})

    assert changed["title"] == "new name"
    assert port.project(project.id).model_version == "new name"


def test_changing_a_backend_without_its_url_is_refused(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    made = port.create_backend(project.id, {"url": stub.url, "title": "labelloop"})

    with pytest.raises(StudioRejected) as caught:
        port.update_backend(made["id"], {"title": "other"})

    assert caught.value.status == 500


def test_basic_auth_without_a_password_is_refused(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    settings = {"url": stub.url, "title": "labelloop", "auth_method": "BASIC_AUTH", "basic_auth_user": "u"}

    with pytest.raises(StudioRejected, match="password") as caught:
        port.create_backend(project.id, settings)

    assert caught.value.status == 400


def test_start_training_answers_with_nothing(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    made = port.create_backend(project.id, {"url": stub.url, "title": "labelloop"})

    port.start_training(made["id"])

    assert [row["id"] for row in port.backends(project.id)] == [made["id"]]


def test_a_webhook_can_be_made_changed_and_deleted(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    url = f"{stub.url}/webhook"
    made = port.create_webhook(project.id, {"url": url, "headers": {"Authorization": "Basic dTpw"}})

    changed = port.update_webhook(made["id"], {"url": url, "headers": {"X-One": "1"}})
    (found,) = port.webhooks(project.id)
    port.delete_webhook(made["id"])

    assert made["headers"] == {"Authorization": "Basic dTpw"}
    assert changed["headers"] == found["headers"] == {"X-One": "1"}
    assert (found["url"], found["is_active"], found["send_payload"]) == (url, True, True)
    assert port.webhooks(project.id) == []


def test_a_webhook_that_is_there_already_is_left_alone_by_a_new_backend(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    port.create_webhook(project.id, {"url": f"{stub.url}/webhook", "headers": {"Authorization": "Basic dTpw"}})

    port.create_backend(project.id, {"url": stub.url, "title": "labelloop"})

    (hook,) = port.webhooks(project.id)
    assert hook["headers"] == {"Authorization": "Basic dTpw"}


def test_webhook_headers_must_be_text(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)

    with pytest.raises(StudioRejected) as caught:
        port.create_webhook(project.id, {"url": f"{stub.url}/webhook", "headers": {"X-One": 1}})

    assert caught.value.status == 400


def test_changing_a_webhook_without_naming_actions_empties_them(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    settings = {"url": f"{stub.url}/webhook", "send_for_all_actions": False, "actions": ["ANNOTATION_CREATED"]}
    made = port.create_webhook(project.id, settings)

    changed = port.update_webhook(made["id"], {"headers": {"X-One": "1"}})

    assert made["actions"] == ["ANNOTATION_CREATED"]
    assert changed["actions"] == []
