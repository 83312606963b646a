"""Hooks at promotions and predictions."""

from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.model import PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import PromotionVetoed
from ml_backend.hooks import hookimpl
from ml_backend.workflows.labeling.predict import predict_for_studio
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version, texts_in, with_hook


class Guard:
    """Lets nothing but `allowed` serve, and keeps what it is told."""

    def __init__(self, allowed: str = "") -> None:
        self.allowed = allowed
        self.promoted: list[tuple[str, str, str]] = []
        self.predicted: list[tuple[str, str, list[int], list[bool]]] = []

    @hookimpl
    def before_promotion(self, model_version: str, previous: str, reason: str) -> str | None:
        return None if model_version == self.allowed else f"{reason}, but {previous} is fine"

    @hookimpl
    def model_promoted(self, project: str, model_version: str, previous: str) -> None:
        self.promoted.append((project, model_version, previous))

    @hookimpl
    def predictions_made(self, project: str, model_version: str, predictions: list[tuple[int, Prediction]]) -> None:
        shown = [bool(prediction.result) for _, prediction in predictions]
        self.predicted.append((project, model_version, [task_id for task_id, _ in predictions], shown))


class Broken:
    @hookimpl
    def before_promotion(self) -> str | None:
        raise RuntimeError("no policy server")


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services, [*texts_in(Split.TRAIN, 2), *texts_in(Split.TEST, 1)])


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (
            Guard(),
            r"was not promoted: vetoed by Guard \(before_promotion\): better, but .*cold-start.* is fine. `labelloop",
        ),
        (Broken(), r"was not promoted: the hook Broken \(before_promotion\) failed .* RuntimeError: no policy server"),
    ],
)
def test_a_veto_leaves_everything_as_it_is(services: Services, project: Project, plugin: Any, message: str) -> None:
    version, before = add_version(services, project), services.versions.serving(project)

    with pytest.raises(PromotionVetoed, match=message):
        Promoter(with_hook(services, plugin)).promote(project, version.name, reason="better")

    assert services.versions.serving(project) == before
    assert services.database.promotions.history(project.id) == []
    assert services.studio.prediction_counts(project.id) == {}


def test_a_promotion_that_nobody_objects_to_is_told(services: Services, project: Project) -> None:
    version, before = add_version(services, project), services.versions.serving(project)
    guard = Guard(allowed=version.name)
    with_guard = with_hook(services, guard)

    promotion = Promoter(with_guard).promote(project, version.name, reason="better")

    assert promotion.state is PromotionState.DONE
    assert with_guard.hooks.drain(5)
    assert guard.promoted == [(project.ref.key, version.name, before)]


def test_what_somebody_forces_is_not_vetoed(services: Services, project: Project) -> None:
    version, before = add_version(services, project), services.versions.serving(project)
    guard = Guard()
    with_guard = with_hook(services, guard)

    Promoter(with_guard).promote(project, version.name, reason="now", is_forced=True)
    Promoter(with_guard).rollback(project, reason="back")

    assert services.versions.serving(project) == before
    assert with_guard.hooks.drain(5)
    assert [version for _, version, _ in guard.promoted] == [version.name, before]


def test_predictions_of_requests_and_pushes_are_told(services: Services, project: Project) -> None:
    guard = Guard()
    with_guard = with_hook(services, guard)
    predictor = services.champions.get(project)
    tasks = [Task(task_id, data["data"]) for task_id, data in services.studio.tasks.items()]

    predict_for_studio(with_guard, project, tasks)
    push_missing(with_guard, project, predictor)

    assert with_guard.hooks.drain(5)
    told = (project.ref.key, predictor.version, [1, 2, 3], [True, True, False])
    assert guard.predicted == [told, told]
