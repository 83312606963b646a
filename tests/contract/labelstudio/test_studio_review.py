"""What Label Studio promises at its port of task data, columns and tabs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_backend.domain.ports import Studio
from ml_backend.errors import StudioRejected
from tests.contract.labelstudio.instances import Instance, reviewed
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


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.tasks_by_id(UNKNOWN, [1]),
        lambda port: port.first_tasks(UNKNOWN, 1),
        lambda port: list(port.tasks_with(UNKNOWN, "flag", "true")),
        lambda port: port.replace_data(UNKNOWN, {"text": "a"}),
        lambda port: port.columns(UNKNOWN),
        lambda port: port.update_view(project_with_tasks(port).id, UNKNOWN, TAB),
    ],
)
def test_what_does_not_exist_is_refused_with_404(port: Studio, call: Callable[[Studio], Any]) -> None:
    with pytest.raises(StudioRejected) as caught:
        call(port)

    assert caught.value.status == 404


def test_tasks_are_found_by_id_with_their_annotations(port: Studio) -> None:
    project = project_with_tasks(port, ["a", "b", "c"])
    first, second, third = task_ids(port, project.id)
    stored = port.submit_annotation(third, {"result": choice("Billing")})

    found = port.tasks_by_id(project.id, [third, UNKNOWN, first])

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


def test_tasks_of_another_project_are_not_found(port: Studio) -> None:
    mine, other = project_with_tasks(port, ["a"]), project_with_tasks(port, ["b"])

    assert port.tasks_by_id(mine.id, task_ids(port, other.id)) == []


def test_hundreds_of_tasks_are_found_at_once(port: Studio) -> None:
    project = project_with_tasks(port, [f"text {number}" for number in range(450)])
    wanted = task_ids(port, project.id)[::2]

    assert [task.id for task in port.tasks_by_id(project.id, wanted)] == wanted


def test_data_is_replaced_as_a_whole(port: Studio) -> None:
    project = project_with_tasks(port, tasks=[{"data": {"text": "a", "customer": 7}}])
    (task,) = task_ids(port, project.id)

    port.replace_data(task, {"text": "a", "flag": True, "quality": 0.125})

    assert port.tasks_by_id(project.id, [task])[0].data == {"text": "a", "flag": True, "quality": 0.125}


def test_replacing_data_leaves_the_annotation_as_it_was(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    stored = port.submit_annotation(task, {"result": choice("Billing")})

    port.replace_data(task, {"text": "a", "flag": True})

    (annotation,) = port.tasks_by_id(project.id, [task])[0].annotations
    assert (annotation.id, annotation.updated_at) == (stored["id"], stored["updated_at"])


def test_tasks_are_found_by_what_their_data_holds(port: Studio) -> None:
    values: list[Any] = [True, False, None, "true", "True", 1]
    project = project_with_tasks(port, tasks=[{"data": {"text": repr(value), "flag": value}} for value in values])
    port.import_tasks(project.id, [{"data": {"text": "without"}}])

    assert [task.data["text"] for task in port.tasks_with(project.id, "flag", "true")] == ["True", "'true'"]


def test_no_task_holds_what_nobody_wrote(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])

    assert list(port.tasks_with(project.id, "flag", "true")) == []


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


def test_a_new_key_of_the_data_is_a_column_at_once(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    (task,) = task_ids(port, project.id)
    before = set(port.columns(project.id))

    port.replace_data(task, {"text": "a", "flag": True, "data": 1})

    assert set(port.columns(project.id)) - before == {"tasks:data.flag", "tasks:data.data"}
    assert {"tasks:id", "tasks:data.text", "tasks:annotations_results", "tasks:annotators"} <= before
    assert port.columns(project.id)["tasks:data.flag"]
    assert "tasks:data" not in before


def test_columns_say_whether_they_are_shown_without_a_tab(port: Studio) -> None:
    columns = port.columns(project_with_tasks(port, ["a"]).id)

    assert {name for name, is_visible in columns.items() if is_visible} == {
        "tasks:data.text",
        "tasks:id",
        "tasks:completed_at",
        "tasks:total_annotations",
        "tasks:cancelled_annotations",
        "tasks:total_predictions",
        "tasks:annotators",
    }
    assert not columns["tasks:annotations_results"]


def test_a_tab_is_kept_as_it_was_made(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    before = port.views(project.id)

    made = port.create_view(project.id, TAB)

    assert before == []
    assert [(view["id"], view["data"]) for view in port.views(project.id)] == [(made["id"], TAB)]


def test_tabs_belong_to_their_project(port: Studio) -> None:
    mine, other = project_with_tasks(port), project_with_tasks(port)
    port.create_view(mine.id, TAB)

    assert port.views(other.id) == []


def test_of_a_changed_tab_filters_and_order_stay_where_they_are_not_named(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    made = port.create_view(project.id, TAB)

    port.update_view(project.id, made["id"], {"title": "Renamed", "type": "list", "target": "tasks"})

    (view,) = port.views(project.id)
    kept = {"filters": TAB["filters"], "ordering": TAB["ordering"]}
    assert view["data"] == {"title": "Renamed", "type": "list", "target": "tasks"} | kept


def test_a_tab_gets_the_order_and_the_filter_that_a_change_names(port: Studio) -> None:
    project = project_with_tasks(port, ["a"])
    made = port.create_view(project.id, TAB)
    changed = TAB | {
        "ordering": ["-tasks:data.quality"],
        "filters": {"conjunction": "and", "items": [SUSPECTS | {"value": "false"}]},
    }

    port.update_view(project.id, made["id"], changed)

    (view,) = port.views(project.id)
    assert view["data"] == changed


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
    port.import_tasks(project.id, imported)
    [made] = task_ids(port, project.id)
    port.submit_annotation(made, {"result": choice("Billing")})
    by_text = reviewed(port, project.id)
    instance.update_annotation(by_text["c"].annotations[0].id, {"result": choice("Shipping")})

    tasks = port.tasks_by_id(project.id, [task.id for task in by_text.values()])

    told = {str(task.data["text"]): task.annotations[0].was_imported for task in tasks}
    assert told == {"a": False, "b": True, "c": False}
