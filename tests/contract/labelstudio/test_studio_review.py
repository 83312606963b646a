"""What Label Studio promises at its port of task data, columns and tabs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ml_backend.domain.ports import Studio
from tests.contract.labelstudio.instances import Instance, prediction, prelabel_ids, reviewed
from tests.studio import choice, project_with_tasks, task_ids

UNKNOWN = 10**6
SUSPECTS = {"filter": "filter:tasks:data.flag", "operator": "equal", "type": "String", "value": "true"}
TAB = {
    "title": "Suspects",
    "type": "list",
    "target": "tasks",
    "filters": {"conjunction": "and", "items": [SUSPECTS]},
    "ordering": ["tasks:data.quality"],
    "hiddenColumns": {"explore": ["tasks:annotators"], "labeling": []},
}


def test_tasks_are_found_by_id_with_their_annotations(port: Studio) -> None:
    project, other = project_with_tasks(port, ["a", "b", "c"]), project_with_tasks(port, ["of another project"])
    first, second, third = task_ids(port, project.id)
    stored = port.submit_annotation(third, {"result": choice("Billing")})

    found = port.tasks_by_id(project.id, [third, UNKNOWN, first, *task_ids(port, other.id)])

    assert [(task.id, task.data) for task in found] == [(first, {"text": "a"}), (third, {"text": "c"})]
    (annotation,) = found[1].annotations
    assert annotation.id == stored["id"]
    assert annotation.result[0]["value"] == {"choices": ["Billing"]}
    assert annotation.updated_at == stored["updated_at"]
    assert port.tasks_by_id(project.id, []) == []
    assert [task.id for task in port.tasks_by_id(project.id, [second])] == [second]


def test_the_first_tasks_are_those_of_the_lowest_ids(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b", "c"])
    project_with_tasks(port, ["of another project"])
    first, second, third = task_ids(port, project.id)

    assert [(task.id, task.data) for task in port.first_tasks(project.id, 2)] == [
        (first, {"text": "a"}),
        (second, {"text": "b"}),
    ]
    assert [task.id for task in port.first_tasks(project.id, 200)] == [first, second, third]


def test_hundreds_of_tasks_are_found_at_once(port: Studio) -> None:
    project = project_with_tasks(port, [f"text {number}" for number in range(450)])
    wanted = task_ids(port, project.id)[::2]

    assert [task.id for task in port.tasks_by_id(project.id, wanted)] == wanted


def test_data_is_replaced_as_a_whole_and_leaves_the_annotation_as_it_was(port: Studio) -> None:
    project = project_with_tasks(port, tasks=[{"data": {"text": "a", "customer": 7}}])
    (task,) = task_ids(port, project.id)
    stored = port.submit_annotation(task, {"result": choice("Billing")})

    port.replace_data(task, {"text": "a", "flag": True, "quality": 0.125})

    (found,) = port.tasks_by_id(project.id, [task])
    (annotation,) = found.annotations
    assert found.data == {"text": "a", "flag": True, "quality": 0.125}
    assert (annotation.id, annotation.updated_at) == (stored["id"], stored["updated_at"])


def test_tasks_are_found_by_what_their_data_holds(port: Studio) -> None:
    values: list[Any] = [True, False, None, "true", "True", 1]
    project = project_with_tasks(port, ["without"])
    before = list(port.tasks_with(project.id, "flag", "true"))
    port.import_tasks(project.id, [{"data": {"text": repr(value), "flag": value}} for value in values])

    assert before == []
    assert [task.data["text"] for task in port.tasks_with(project.id, "flag", "true")] == ["True", "'true'"]


def test_an_update_and_a_star_move_the_annotation_s_time_on(instance: Instance) -> None:
    port = instance.port
    project = project_with_tasks(port, ["updated", "starred"])
    times = []
    for task, change in zip(task_ids(port, project.id), [{"lead_time": 3.0}, {"ground_truth": True}], strict=True):
        stored = port.submit_annotation(task, {"result": choice("Billing")})
        instance.update_annotation(stored["id"], change)
        (annotation,) = port.tasks_by_id(project.id, [task])[0].annotations
        times.append((stored["updated_at"], annotation.updated_at))

    assert all(after > before for before, after in times)


def test_columns_say_whether_they_are_shown_without_a_tab_and_a_new_key_is_one_at_once(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    before = port.columns(project.id)

    port.replace_data(task, {"text": "a", "flag": True, "data": 1})

    assert {name for name, is_visible in before.items() if is_visible} == {
        "tasks:data.text",
        "tasks:id",
        "tasks:completed_at",
        "tasks:total_annotations",
        "tasks:cancelled_annotations",
        "tasks:total_predictions",
        "tasks:annotators",
    }
    assert not before["tasks:annotations_results"]
    assert "tasks:data" not in before
    assert port.columns(project.id).keys() - before.keys() == {"tasks:data.flag", "tasks:data.data"}
    assert port.columns(project.id)["tasks:data.flag"]


def test_a_tab_is_kept_as_it_was_made_in_its_project_alone(port: Studio) -> None:
    project, other = project_with_tasks(port, ["a"]), project_with_tasks(port)
    before = port.views(project.id)

    made = port.create_view(project.id, TAB)

    assert before == port.views(other.id) == []
    assert [(view["id"], view["data"]) for view in port.views(project.id)] == [(made["id"], TAB)]


def test_a_tab_gets_the_order_and_the_filter_that_a_change_names_and_keeps_them_where_it_names_none(
    port: Studio,
) -> None:
    project = project_with_tasks(port, ["a"])
    made = port.create_view(project.id, TAB)
    named = {
        "ordering": ["-tasks:data.quality"],
        "filters": {"conjunction": "and", "items": [SUSPECTS | {"value": "false"}]},
    }
    bare = {"title": "Renamed", "type": "list", "target": "tasks"}

    for change, wanted in ((TAB | named, TAB | named), (bare, bare | named)):
        port.update_view(project.id, made["id"], change)

        assert [view["data"] for view in port.views(project.id)] == [wanted]


def test_labeled_tasks_are_found_by_the_time_of_their_last_change(instance: Instance) -> None:
    port = instance.port
    project = project_with_tasks(port, ["a", "b", "c", "d"])
    first, second, third, _ = task_ids(port, project.id)
    stored = [port.submit_annotation(task_id, {"result": choice("Billing")}) for task_id in (third, first, second)]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)

    found = port.labeled_since(project.id, long_ago, 10)

    assert [task_id for task_id, _ in found] == [third, first, second]
    for (_, changed_at), annotation in zip(found, stored, strict=True):
        assert abs(changed_at - datetime.fromisoformat(annotation["updated_at"])) < timedelta(seconds=1)
    assert port.labeled_since(project.id, long_ago, 2) == found[:2]
    assert port.labeled_since(project.id, found[1][1], 10) == found[2:]
    instance.update_annotation(stored[0]["id"], {"result": choice("Shipping")})
    assert [task_id for task_id, _ in port.labeled_since(project.id, found[2][1], 10)] == [third]


def test_labels_of_an_import_are_told_from_those_that_people_made(instance: Instance) -> None:
    port = instance.port
    project = project_with_tasks(port, ["a"])
    imported = [{"data": {"text": text}, "annotations": [{"result": choice("Billing")}]} for text in ("b", "c")]
    [made] = task_ids(port, project.id)  # an import's tasks count as unlabeled for a moment
    port.import_tasks(project.id, imported)
    port.submit_annotation(made, {"result": choice("Billing")})
    by_text = reviewed(port, project.id)
    instance.update_annotation(by_text["c"].annotations[0].id, {"result": choice("Shipping")})

    tasks = port.tasks_by_id(project.id, [task.id for task in by_text.values()])

    told = {str(task.data["text"]): task.annotations[0].was_imported for task in tasks}
    assert told == {"a": False, "b": True, "c": False}


def test_predictions_of_a_version_become_annotations_once(instance: Instance) -> None:
    port = instance.port
    project = project_with_tasks(port, ["a", "b", "c", "d"])
    first, second, third, _ = ids = task_ids(port, project.id)
    port.push_predictions(project.id, [(task_id, prediction("v1")) for task_id in ids])
    port.push_predictions(project.id, [(first, prediction("v2", "Returns"))])
    port.submit_annotation(
        third, {"result": choice("Billing"), "parent_prediction": prelabel_ids(port, project.id)[third]}
    )

    for _ in range(2):
        port.accept_predictions(project.id, [first, second, third], "v1")
    port.accept_predictions(project.id, [], "v1")

    tasks = port.tasks_by_id(project.id, ids)
    assert [len(task.annotations) for task in tasks] == [1, 1, 1, 0]
    made = tasks[0].annotations[0]
    assert made.result[0]["value"] == {"choices": ["Billing"]}
    assert (made.was_imported, made.lead_time_s) == (True, None)
    assert made.parent_prediction is not None
    assert not tasks[2].annotations[0].was_imported
    # As a promotion does: the annotation stays what it was, without its prediction.
    port.delete_predictions(project.id, "v1")
    (task,) = port.tasks_by_id(project.id, [first])
    assert (task.annotations[0].was_imported, task.annotations[0].parent_prediction) == (True, None)
    instance.update_annotation(made.id, {"ground_truth": True})
    (starred,) = port.tasks_by_id(project.id, [first])
    assert not starred.annotations[0].was_imported


def test_a_deleted_annotation_leaves_the_task_unlabeled(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    stored = port.submit_annotation(task, {"result": choice("Billing")})

    assert port.delete_annotation(stored["id"])
    assert not port.delete_annotation(stored["id"])
    assert task_ids(port, project.id) == [task]


def test_all_predictions_of_some_tasks_are_deleted(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b"])
    first, second = task_ids(port, project.id)
    for version in ("v1", "v2"):
        port.push_predictions(project.id, [(task_id, prediction(version)) for task_id in (first, second)])

    port.delete_predictions_of(project.id, [first])
    port.delete_predictions_of(project.id, [])

    assert port.prediction_counts(project.id) == {"v1": 1, "v2": 1}
    held = {task.id: stored for task, stored in port.unlabeled_tasks(project.id, "v2")}
    assert held[first] is None
    assert held[second] is not None
    assert (held[second].result[0]["value"], held[second].score) == ({"choices": ["Billing"]}, 0.8)
