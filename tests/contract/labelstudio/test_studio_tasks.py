"""What Label Studio promises at its port of projects, tasks, annotations and predictions."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.ports import Studio
from tests.contract.labelstudio.instances import Instance, missing, prediction, prelabel_ids, refused, reviewed
from tests.running import until
from tests.studio import choice, project_with_tasks, task_ids

UNKNOWN = 10**6
OTHER_CONTROL = [{"from_name": "unknown", "to_name": "text", "type": "choices", "value": {"choices": ["Billing"]}}]


def test_it_tells_its_version_and_the_owner_of_the_token(port: Studio) -> None:
    assert port.version() == "1.23.2"
    assert port.current_user() == "admin@example.com"


def test_a_new_project_is_as_it_was_asked_for(port: Studio) -> None:
    made = project_with_tasks(port, ["a", "b"], title="Support tickets")

    found = port.project(made.id)

    assert (found.title, found.label_config, found.task_count) == ("Support tickets", made.label_config, 2)
    assert (found.model_version, found.sampling, found.show_collab_predictions) == ("", "Sequential sampling", True)


@pytest.mark.parametrize(
    ("wrong", "reason"), [({"title": "ab"}, "at least 3 characters"), ({"label_config": "<View><Choices"}, None)]
)
def test_a_project_that_cannot_be_is_refused(port: Studio, wrong: dict[str, str], reason: str | None) -> None:
    with refused(400, reason):
        project_with_tasks(port, **wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.project(UNKNOWN),
        lambda port: list(port.reviewed_tasks(UNKNOWN)),
        lambda port: port.prediction_counts(UNKNOWN),
        lambda port: port.update_project(UNKNOWN, {"sampling": "Uniform sampling"}),
        lambda port: port.submit_annotation(UNKNOWN, {"result": choice("Billing")}),
        lambda port: port.delete_webhook(UNKNOWN),
        lambda port: port.tasks_by_id(UNKNOWN, [1]),
        lambda port: port.first_tasks(UNKNOWN, 1),
        lambda port: list(port.tasks_with(UNKNOWN, "flag", "true")),
        lambda port: port.replace_data(UNKNOWN, {"text": "a"}),
        lambda port: port.columns(UNKNOWN),
        lambda port: port.update_view(project_with_tasks(port).id, UNKNOWN, {}),
    ],
)
def test_what_does_not_exist_is_refused_with_404(port: Studio, call: Callable[[Studio], Any]) -> None:
    with refused(404):
        call(port)


def test_one_task_without_the_labelled_field_stops_the_whole_import(port: Studio) -> None:
    project = project_with_tasks(port)

    with refused(400):
        port.import_tasks(project.id, [{"data": {"text": "a"}}, {"data": {"body": "b"}}])

    assert port.project(project.id).task_count == 0


def test_imported_annotations_are_not_ground_truth_unless_they_say_so(port: Studio) -> None:
    tasks = [
        {"data": {"text": "plain"}, "annotations": [{"result": choice("Billing")}]},
        {"data": {"text": "starred"}, "annotations": [{"result": choice("Billing"), "ground_truth": True}]},
    ]
    project = project_with_tasks(port, tasks=tasks)

    # Label Studio counts imported annotations a moment after it has answered.
    found = until(lambda: reviewed(port, project.id), "the count of imported annotations")

    assert tasks[0]["annotations"] == [{"result": choice("Billing")}]
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


def test_labeled_tasks_need_no_prediction_and_skipped_ones_still_do(port: Studio) -> None:
    project = project_with_tasks(port, ["untouched", "labeled", "skipped"])
    _, labeled, skipped = task_ids(port, project.id)
    port.submit_annotation(labeled, {"result": choice("Billing")})
    port.submit_annotation(skipped, {"result": [], "was_cancelled": True})

    assert missing(port, project.id, "m-v1") == Counter(["untouched", "skipped"])
    assert port.count_without_prediction(project.id, "m-v1") == 2


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


def test_pushed_predictions_are_counted_per_version_empty_ones_too(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b", "c", "d"])
    first, second, third, fourth = task_ids(port, project.id)

    assert port.push_predictions(project.id, [(first, prediction("m-v1")), (second, prediction("m-v1"))]) == 2
    assert port.push_predictions(project.id, [(third, prediction("m-v2", score=None))]) == 1
    assert port.push_predictions(project.id, [(fourth, Prediction((), 0.37, "m-v2"))]) == 1
    assert port.push_predictions(project.id, []) == 0

    assert port.prediction_counts(project.id) == {"m-v1": 2, "m-v2": 2}
    assert missing(port, project.id, "m-v2") == Counter(["a", "b"])


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

    assert [port.delete_predictions(project.id, "m-v1") for _ in range(2)] == [1, 0]

    assert port.prediction_counts(project.id) == {"m-v2": 1}
    assert reviewed(port, project.id)["a"].annotations[0].parent_prediction is None


def test_a_stored_version_can_be_selected_and_an_unknown_one_cannot(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    with refused(400):
        port.update_project(project.id, {"model_version": "m-v1"})
    port.push_predictions(project.id, [(task, prediction("m-v1"))])

    port.update_project(project.id, {"model_version": "m-v1", "sampling": "Uncertainty sampling"})

    found = port.project(project.id)
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
