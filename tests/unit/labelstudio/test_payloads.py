"""Setups, predict requests, projects and exported tasks: as they were recorded, and as they must not be."""

from collections.abc import Callable
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.errors import PayloadError
from ml_backend.labelstudio.payloads import (
    PredictRequest,
    SetupRequest,
    parse_webhook,
    project_from_api,
    task_from_export,
)
from ml_backend.labelstudio.predictions import prediction_from_api, prediction_to_json
from tests.recordings import recorded, recorded_names

TICKED = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["Positive"]}}
CONFIG = "<View>"


@pytest.mark.parametrize(
    ("body", "found"),
    [(None, "null or not JSON"), ([], "a list"), ("x", "a string"), (5, "a number"), (True, "a boolean")],
)
def test_a_body_that_is_no_object_is_refused(body: object, found: str) -> None:
    for parse in (parse_webhook, SetupRequest.read, PredictRequest.read, project_from_api, task_from_export):
        with pytest.raises(PayloadError, match=f"the body is {found}; wanted the JSON object"):
            parse(body)


@pytest.mark.parametrize("name", recorded_names("setup"))
def test_recorded_setups_tell_project_and_config(name: str) -> None:
    body = recorded(name)

    setup = SetupRequest.read(body)

    assert setup.project_id == int(body["project"].split(".")[0])
    assert setup.label_config == body["schema"]


def test_the_access_token_of_a_setup_is_left_behind() -> None:
    setup = SetupRequest.read({**recorded("setup"), "access_token": "secret-token"})

    assert "secret-token" not in repr(setup)
    assert not hasattr(setup, "access_token")


@pytest.mark.parametrize("project", ["12.1795198252", "12", 12, 12.0])
def test_the_project_s_id_is_the_part_before_the_dot(project: Any) -> None:
    assert SetupRequest.read({"project": project, "schema": CONFIG}).project_id == 12


def of_task(**values: Any) -> dict[str, Any]:
    return {"project": "1.5", "tasks": [values]}


@pytest.mark.parametrize(
    ("read", "path", "body"),
    [
        *((SetupRequest.read, "/setup", {"schema": CONFIG} | project) for project in ({}, {"project": "x"})),
        (SetupRequest.read, "/setup", {"schema": CONFIG, "project": None}),
        *((SetupRequest.read, "/setup", {"project": 1} | schema) for schema in ({}, {"schema": None})),
        (PredictRequest.read, "/predict", {"tasks": []}),
        *((PredictRequest.read, "/predict", {"project": "1.5"} | tasks) for tasks in ({}, {"tasks": None})),
        *((PredictRequest.read, "/predict", {"project": "1.5", "tasks": tasks}) for tasks in ({}, [None])),
        *((PredictRequest.read, "/predict", of_task(id=1, **data)) for data in ({}, {"data": None})),
        (PredictRequest.read, "/predict", of_task(id=1, data={}, predictions=[{"id": "x"}])),
        (task_from_export, "task", {"data": {}}),
    ],
    ids=lambda value: getattr(value, "__qualname__", str(value)),
)
def test_what_label_studio_would_not_send_is_refused(read: Callable[[Any], Any], path: str, body: Any) -> None:
    with pytest.raises(PayloadError, match=f"{path}: not what Label Studio sends"):
        read(body)


@pytest.mark.parametrize("name", recorded_names("predict_"))
def test_recorded_predict_requests_hold_their_tasks_in_order(name: str) -> None:
    body = recorded(name)

    asked = PredictRequest.read(body)

    assert (asked.project_id, asked.label_config) == (int(body["project"].split(".")[0]), body["label_config"])
    assert [(task.id, task.data) for task in asked.tasks] == [(task["id"], task["data"]) for task in body["tasks"]]
    assert len(asked.tasks) >= 1


@pytest.mark.parametrize("value", [None, [], "nonsense", [17, "x", None]])
def test_predictions_by_id_alone_and_worse_are_left_aside(value: Any) -> None:
    (task,) = PredictRequest.read(
        {"project": 1, "tasks": [{"data": {}, "annotations": None, "predictions": value}]}
    ).tasks

    assert (task.id, task.annotations) == (0, ())


def test_a_prediction_becomes_json_with_regions_that_anybody_may_change() -> None:
    prediction = Prediction((TICKED,), 0.9, "m-v1")

    document = prediction_to_json(prediction)

    assert document == {"result": [TICKED], "score": 0.9, "model_version": "m-v1"}
    document["result"][0]["from_name"] = "other"
    assert prediction.result[0]["from_name"] == "sentiment"
    assert prediction_to_json(Prediction((), None, "m-v1")) == {"result": [], "score": None, "model_version": "m-v1"}


def test_a_stored_prediction_is_read_whoever_made_it() -> None:
    stored = {"id": 3, "result": [TICKED], "score": 1, "model_version": "m-v1"}
    assert prediction_from_api(stored) == Prediction((TICKED,), 1.0, "m-v1")
    odd = {"result": [TICKED, None, "x"], "score": "high", "model_version": None}
    assert prediction_from_api(odd) == Prediction((TICKED,), None, "")
    assert prediction_from_api({"result": None}) == Prediction((), None, "")


def test_nulls_in_a_project_become_empty_values() -> None:
    keys = ("title", "label_config", "model_version", "sampling", "show_collab_predictions", "task_number")

    project = project_from_api({"id": 4, **dict.fromkeys(keys)})

    assert (project.title, project.label_config, project.model_version, project.sampling) == ("", "", "", "")
    assert (project.show_collab_predictions, project.task_count) == (False, 0)


def test_several_annotators_of_a_task_are_told_apart() -> None:
    task = task_from_export(recorded("export_several_annotators")[0])

    assert [(each.annotator, each.result[0]["value"]["choices"]) for each in task.annotations] == [
        ("1", ["Positive"]),
        ("2", ["Negative"]),
    ]


@pytest.mark.parametrize("number", [2**63, 14695981039346656037, 98765432109876543210, -(2**70), 1e308])
def test_any_number_may_stand_where_nothing_depends_on_it(number: float) -> None:
    annotation = {"id": 5, "result": [{"value": {"n": number}}], "import_id": number, "draft_id": number}
    task = {"id": 1, "data": {"text": "a", "hash": number}, "meta": number, "annotations": [annotation]}

    (predicted,) = PredictRequest.read({"project": 1, "tasks": [task]}).tasks
    (change,) = parse_webhook({"action": "ANNOTATION_CREATED", "annotation": annotation, "task": task}).annotations

    assert (change.annotation.id, change.task_id) == (5, 1)
    for read in (predicted, task_from_export(task)):
        assert read.data["hash"] == number
        assert read.annotations[0].result[0]["value"] == {"n": number}


@pytest.mark.parametrize(
    ("values", "batch"),
    [
        ({"file_upload": "4f2a-tickets.csv", "created_at": "2026-11-20T18:29:48.128643Z"}, "4f2a-tickets.csv"),
        ({"file_upload": None, "created_at": "2026-11-20T18:29:48.128643Z"}, "2026-11-20"),
        ({"file_upload": 7, "created_at": 3}, ""),
        ({"created_at": "yesterday"}, ""),
        ({}, ""),
    ],
)
def test_a_task_was_imported_with_a_file_or_on_a_day(values: dict[str, Any], batch: str) -> None:
    assert task_from_export({"id": 1, "data": {"text": "a"}, **values}).batch == batch
