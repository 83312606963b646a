"""The list of tasks to label next: chosen, written into Label Studio, kept up to date and counted."""

import json
from pathlib import Path

import pytest

from ml_backend.domain.example import SelectedBy
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.project import Project
from ml_backend.domain.selection import SelectedTask
from ml_backend.errors import StudioError, StudioUnreachable
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.labelstudio.quality_fields import SelectionField
from ml_backend.tasks import template_path
from ml_backend.workflows.jobs.kinds.select import SelectJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.selecting.push_list import push_list
from ml_backend.workflows.selecting.refresh import reselect_if_due
from ml_backend.workflows.selecting.select import select_from_files
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.services import CONFIG, add_project, build_test_services, choice, with_settings, write_export
from tests.unit.workflows.audits import put_flag

WORDS = ("card", "cash", "lost", "refund", "late", "bank", "transfer", "money", "top", "up", "where", "stolen")
TEXTS = [f"{first} {second} {third}" for first in WORDS[:5] for second in WORDS[5:9] for third in WORDS[9:12]]


@pytest.fixture
def services(tmp_path: Path, base: str) -> Services:
    return build_test_services(tmp_path, base_model=base, select_count=12, runtime="torch")


@pytest.fixture
def project(services: Services) -> Project:
    """60 tasks, of which nobody has labeled one."""
    return add_project(services, TEXTS)


def studio_of(services: Services) -> FakeStudio:
    assert isinstance(services.studio, FakeStudio)
    return services.studio


def marked(services: Services) -> list[int]:
    """Tasks in the tab, in its order."""
    field = SelectionField.PRIORITY
    tasks = [each for each in studio_of(services).tasks.values() if field in each["data"]]
    return [each["id"] for each in sorted(tasks, key=lambda each: -each["data"][field])]


def submitted(services: Services, task_ids: list[int], label: str = "Billing") -> None:
    """Submit labels, and let Label Studio say so."""
    for task_id in task_ids:
        stored = services.studio.submit_annotation(task_id, {"result": choice(label), "completed_by": 7})
        receive(services, parse_webhook(studio_of(services).event("ANNOTATION_CREATED", stored["id"])))


def listed(services: Services, project: Project) -> Job:
    job, _ = SelectJob(trigger="command").request(services, project.id, claim=True)
    run_job(services, job.id)
    job = services.database.jobs.get(job.id)
    assert job.state is JobState.SUCCEEDED, job.error
    return job


def test_the_list_stands_in_label_studio_in_its_order_and_a_second_push_writes_what_differs(
    services: Services, project: Project
) -> None:
    job = listed(services, project)
    order = [each["task_id"] for each in job.result["tasks"]]
    assert marked(services) == order
    assert len(order) == 12
    assert job.result["pushed"]["written"] == 12
    assert [view["data"]["title"] for view in services.studio.views(project.id)] == ["Default", "Label these next"]
    again = listed(services, project).result["pushed"]
    assert (again["written"], again["cleared"], again["unchanged"]) == (0, 0, 12)


def test_a_label_counts_as_random_or_active_by_how_its_task_came_onto_the_list(
    services: Services, project: Project
) -> None:
    listed(services, project)
    tasks = services.database.selections.listed(project.id)
    submitted(services, [task.task_id for task in tasks])
    events = services.database.events.history(project.id).values()
    assert {event.task_id: event.selected_by for event in events} == {task.task_id: task.selected_by for task in tasks}
    assert {task.selected_by for task in tasks} == {SelectedBy.RANDOM, SelectedBy.ACTIVE}


def test_two_thirds_of_the_list_labeled_make_the_next_one_due(services: Services, project: Project) -> None:
    assert reselect_if_due(services, project) is None
    listed(services, project)
    order = marked(services)
    submitted(services, order[:7])
    assert reselect_if_due(services, project) is None
    submitted(services, order[7:8], "Returns")
    due = reselect_if_due(services, project)
    assert due is not None
    assert reselect_if_due(services, project) is None
    services.database.jobs.claim(due.id)
    run_job(services, due.id)
    assert not set(marked(services)) & set(order[:8])
    assert len(marked(services)) == 12


def test_a_push_that_broke_off_is_resumed(services: Services, project: Project) -> None:
    def task(number: int, priority: float) -> SelectedTask:
        return SelectedTask(number, "margin", "it wavers", priority, SelectedBy.ACTIVE)

    push_list(services, project, [task(1, 1.0), task(2, 0.5)])
    studio = studio_of(services)
    studio.refusals["replace_data"] = StudioUnreachable("away")
    with pytest.raises(StudioUnreachable):
        push_list(services, project, [task(3, 1.0)])
    studio.refusals.clear()
    pushed = push_list(services, project, [task(4, 1.0)])
    assert marked(services) == [4]
    assert [each.task_id for each in services.database.selections.listed(project.id)] == [4]
    assert (pushed.written, pushed.cleared) == (1, 2)


def test_a_mixed_list_puts_a_likely_label_error_in_the_place_of_a_less_doubtful_text(
    services: Services, project: Project
) -> None:
    services = with_settings(services, select_mixed=True)
    submitted(services, [1, 2, 3])
    submitted(services, [4, 5, 6], "Returns")
    put_flag(services, quality=0.01)
    job = listed(services, project)
    tasks = services.database.selections.listed(project.id)
    assert len(tasks) == 12
    (review,) = (task for task in tasks if task.strategy == "label_error")
    assert (review.task_id, review.selected_by) == (1, SelectedBy.SUSPECT)
    assert review.reason == "its label may be wrong (label error)"
    assert marked(services) == [each["task_id"] for each in job.result["tasks"]]
    assert sum(task.selected_by is SelectedBy.RANDOM for task in tasks) > 0


def test_a_field_of_the_same_name_in_the_label_config_is_refused(services: Services) -> None:
    config = CONFIG.replace("$text", "$labelloop_reason")
    project = add_project(services, [], label_config=config)
    with pytest.raises(StudioError, match="shows labelloop_reason"):
        push_list(services, project, [])


def test_tasks_of_a_file_are_chosen_by_the_labels_of_an_export(services: Services, tmp_path: Path) -> None:
    add_project(services, TEXTS[:24])
    for number in range(24):
        label = ("Billing", "Shipping", "Returns")[number % 3]
        services.studio.submit_annotation(number + 1, {"result": choice(label), "completed_by": 7})
    export = write_export(services, tmp_path / "export.json")
    tasks = tmp_path / "tasks.json"
    rest = [{"id": 100 + n, "data": {"text": text}} for n, text in enumerate(TEXTS[24:])]
    tasks.write_text(json.dumps([*rest, {"id": 999, "data": {"text": " "}}]), encoding="utf-8")
    selected = select_from_files(services, export, CONFIG, tasks, strategy="margin", count=9)
    assert selected.unlabeled == len(rest)
    assert {task.strategy for task in selected.tasks} <= {"margin", "random"}
    assert [task.priority for task in selected.tasks] == sorted((t.priority for t in selected.tasks), reverse=True)
    assert any("the model wavers between" in task.reason for task in selected.tasks)
    assert "1 tasks without a text were left out" in selected.notes


def test_comparisons_of_a_file_are_chosen_by_reading_both_texts(services: Services, tmp_path: Path) -> None:
    config = template_path("pairwise").read_text()
    pairs = [
        {"prompt": "where", "answer1": one, "answer2": other} for one, other in zip(TEXTS, TEXTS[::-1], strict=True)
    ]
    made = [{"id": number, "data": pair, "annotations": []} for number, pair in enumerate(pairs, start=1)]
    for number, task in enumerate(made[:24]):
        region = {"from_name": "comparison", "to_name": "comparison", "type": "pairwise"}
        result = [{**region, "value": {"selected": ("left", "right")[number % 2]}}]
        task["annotations"] = [{"id": number + 1, "completed_by": 7, "was_cancelled": False, "result": result}]
    export, tasks = tmp_path / "export.json", tmp_path / "tasks.json"
    export.write_text(json.dumps(made[:24]), encoding="utf-8")
    tasks.write_text(json.dumps(made[24:]), encoding="utf-8")

    selected = select_from_files(services, export, config, tasks, strategy="margin", count=9)

    assert selected.unlabeled == len(made) - 24
    assert any("the model wavers between" in task.reason for task in selected.tasks)
