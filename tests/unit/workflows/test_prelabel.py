"""Pushing pre-labels in bulk, and selecting their version."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import StudioError, StudioUnreachable
from ml_backend.workflows.prelabel import TASKS_PER_PUSH, push_missing, select_version
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.services import add_project, build_test_services, choice, texts_in

TRAIN, HELD_OUT = texts_in(Split.TRAIN, 3), texts_in(Split.TEST, 1)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, [*TRAIN, *HELD_OUT])


def push(services: Services, project: Project, version: str = "m1", label: str = "Billing") -> int:
    return push_missing(services, project, FakePredictor(version, {"": "Returns"}, label), quiet)


def quiet(_fraction: float, _message: str) -> None:
    """Progress that nobody watches."""


def test_every_unlabeled_task_gets_a_prediction_and_held_out_ones_a_blind_one(
    services: Services, project: Project
) -> None:
    assert push(services, project) == 4

    stored = {p["task"]: p for p in services.studio.predictions.values()}
    assert [bool(stored[number]["result"]) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert all(0 <= p["score"] <= 1 and p["model_version"] == "m1" for p in stored.values())


def test_pushing_again_pushes_nothing(services: Services, project: Project) -> None:
    push(services, project)

    assert push(services, project) == 0
    assert services.studio.prediction_counts(project.id) == {"m1": 4}


def test_an_interrupted_push_goes_on_where_it_stopped(services: Services, project: Project) -> None:
    services.studio.push_predictions(project.id, [(1, Prediction(tuple(choice("Billing")), 0.9, "m1"))])

    assert push(services, project) == 3
    assert services.studio.prediction_counts(project.id) == {"m1": 4}


def test_labeled_tasks_are_left_alone(services: Services, project: Project) -> None:
    services.studio.submit_annotation(2, {"result": choice("Billing")})

    assert push(services, project) == 3
    assert 2 not in {p["task"] for p in services.studio.predictions.values()}


def test_dropped_predictions_are_an_error_that_names_one(services: Services, project: Project) -> None:
    services.studio.dropped_tasks = {2, 3}

    with pytest.raises(StudioError, match=r"dropped 2 of 4 predictions of m1 in project 1, that of task 2 for one"):
        push(services, project)


def test_a_task_deleted_meanwhile_is_no_error(services: Services) -> None:
    project = add_project(services, [f"text {n}" for n in range(TASKS_PER_PUSH + 1)])

    class Deleting(FakePredictor):
        def predict(self, texts: Sequence[str]) -> list[ScoredTarget | None]:
            services.studio.tasks.pop(2, None)
            return super().predict(texts)

    push_missing(services, project, Deleting("m1", {"": "Returns"}, "Billing"), quiet)

    assert services.studio.prediction_counts(project.id) == {"m1": TASKS_PER_PUSH}


def test_large_projects_are_pushed_in_parts_with_progress(services: Services) -> None:
    project = add_project(services, [f"text {n}" for n in range(TASKS_PER_PUSH + 1)])
    reported: list[tuple[float, str]] = []

    push_missing(
        services, project, FakePredictor("m1", {}, "Billing"), lambda done, text: reported.append((done, text))
    )

    sizes = [len(ids) for method, ids in services.studio.changes if method == "push_predictions"]
    assert sizes == [TASKS_PER_PUSH, 1]
    assert reported == [
        (TASKS_PER_PUSH / (TASKS_PER_PUSH + 1), f"pushed {TASKS_PER_PUSH} of {TASKS_PER_PUSH + 1} pre-labels"),
        (1.0, f"pushed {TASKS_PER_PUSH + 1} of {TASKS_PER_PUSH + 1} pre-labels"),
    ]


def test_a_pushed_version_is_selected_once(services: Services, project: Project) -> None:
    push(services, project)

    assert select_version(services, project, "m1") is True
    assert select_version(services, project, "m1") is True

    assert [change for change in services.studio.changes if change[0] == "update_project"] == [
        ("update_project", {"model_version": "m1"})
    ]


def test_a_version_without_predictions_is_not_selected(services: Services, project: Project) -> None:
    assert select_version(services, project, "m1") is False
    assert services.studio.project(project.id).model_version == ""


def test_an_unreachable_label_studio_is_an_error(services: Services, project: Project) -> None:
    services.studio.refusals["push_predictions"] = StudioUnreachable("nobody answers")

    with pytest.raises(StudioUnreachable):
        push(services, project)
