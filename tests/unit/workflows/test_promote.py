"""Promotion and rollback, whole and interrupted at every step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.model import ModelVersion, PromotionState
from ml_backend.domain.progress import Progress
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.errors import ModelNotFound, PromotionError, StudioUnreachable, TrackingError
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.labeling.prelabel import push_missing, select_version
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakeRegistry
from tests.services import CONFIG, add_project, add_version, build_test_services, choice, texts_in

TEXTS = texts_in(Split.TRAIN, 3)


@pytest.fixture
def project(services: Services) -> Project:
    """Connected, and served by its cold start's stored pre-labels."""
    project = add_project(services, TEXTS)
    predictor = services.cold_start(project)
    push_missing(services, project, predictor)
    select_version(services, project, predictor.version)
    return project


def cold_start(project: Project) -> str:
    return ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)


def serve(services: Services, project: Project, label: str = "Shipping") -> ModelVersion:
    version = add_version(services, project, label)
    Promoter(services).promote(project, version.name, reason="better")
    return version


def assert_is_serving(services: Services, project: Project, version: str) -> None:
    assert services.versions.serving(project) == version
    assert services.studio.project(project.id).model_version == version
    assert services.studio.prediction_counts(project.id)[version] == len(TEXTS)
    assert services.database.promotions.all_open() == []


def test_a_promotion_pushes_serves_and_selects_in_the_order_that_a_crash_forgives(
    services: Services, project: Project
) -> None:
    version = add_version(services, project)
    seen: list[tuple[str, str]] = []
    versions = services.versions
    before = len(services.studio.changes)

    def note(_progress: Progress) -> None:
        champion = versions.champion(project.ref.key)
        seen.append((champion.name if champion else "none", services.studio.project(project.id).model_version))

    promotion = Promoter(services).promote(project, version.name, reason="better", report=note)

    assert_is_serving(services, project, version.name)
    done = (promotion.state, promotion.previous, promotion.reason)
    assert done == (PromotionState.DONE, cold_start(project), "better")
    assert set(seen) == {("none", cold_start(project))}
    assert [method for method, _ in services.studio.changes[before:]] == ["push_predictions", "update_project"]


class RegistryAway(FakeRegistry):
    """MLflow while nobody answers there."""

    def set_champion(self, project_key: str, version: str | None) -> str | None:
        raise TrackingError(f"nobody answers for {version} in {project_key}", is_passing=True)


def test_a_promotion_does_not_wait_for_mlflow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    services = build_test_services(tmp_path, mlflow=RegistryAway(tmp_path / "runs"))
    project = add_project(services, TEXTS)

    version = serve(services, project)

    assert_is_serving(services, project, version.name)
    assert "`labelloop doctor` sets MLflow's alias" in caplog.text


def test_predictions_older_than_the_previous_version_are_deleted_and_never_another_model_s(
    services: Services, project: Project
) -> None:
    others = [{"result": [], "model_version": "mine"}]
    services.studio.import_tasks(project.id, [{"data": {"text": "x"}, "predictions": others}])

    first, second = serve(services, project), serve(services, project)

    assert services.studio.prediction_counts(project.id) == {"mine": 1, first.name: 4, second.name: 4}


def test_an_unknown_version_is_refused_before_anything_happens(services: Services, project: Project) -> None:
    with pytest.raises(ModelNotFound):
        Promoter(services).promote(project, "tickets-1-v9", reason="r")

    assert services.database.promotions.history(project.id) == []


def test_the_serving_version_cannot_be_promoted_again(services: Services, project: Project) -> None:
    version = serve(services, project)

    with pytest.raises(PromotionError, match=f"{version.name} serves already"):
        Promoter(services).promote(project, version.name, reason="r")


def test_a_second_promotion_waits_for_the_first(services: Services, project: Project) -> None:
    first, second = add_version(services, project), add_version(services, project)
    services.database.promotions.begin(project.id, first.name, previous="x", reason="r", is_forced=False)

    with pytest.raises(PromotionError, match=f"{first.name} is being promoted in project 1"):
        Promoter(services).promote(project, second.name, reason="r")


class Crash(BaseException):
    """The process is gone: nothing catches it."""


STEPS = {
    "the intent row": ("promotions", "begin", None),
    "the push": ("studio", "push_predictions", None),
    "the row says pushed": ("promotions", "advance", PromotionState.PUSHED),
    "the version serves": ("promotions", "commit", None),
    "the alias moves": ("versions", "mirror", None),
    "the version is selected": ("studio", "update_project", None),
    "old predictions are deleted": ("studio", "delete_predictions", None),
    "the row says done": ("promotions", "advance", PromotionState.DONE),
}
UNCOMMITTED = tuple(STEPS)[:3]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_promotion_that_crashed_at_any_step_is_finished_later(
    services: Services, project: Project, when: str, step: str
) -> None:
    serve(services, project)
    first, second = serve(services, project), add_version(services, project)
    is_begun = (when, step) != ("before", "the intent row")
    is_committed = step not in UNCOMMITTED and (when, step) != ("before", "the version serves")

    with pytest.raises(Crash), dying(services, when, step):
        Promoter(services).promote(project, second.name, reason="better")

    assert len(services.database.promotions.all_open()) == (is_begun and (when, step) != ("after", "the row says done"))
    assert services.versions.serving(project) == (second.name if is_committed else first.name)
    assert services.studio.prediction_counts(project.id)[first.name] == 3

    assert Promoter(services).reconcile() == 0

    expected = second if is_begun else first
    assert_is_serving(services, project, expected.name)
    assert services.versions.mirror(project.ref.key) is None
    changes = list(services.studio.changes)
    assert Promoter(services).reconcile() == 0
    assert services.studio.changes == changes


@contextmanager
def dying(services: Services, when: str, step: str) -> Iterator[None]:
    """The block crashes before or after it makes a step, and the next process is whole again."""
    name, method, argument = STEPS[step]
    owner: Any = {"studio": services.studio, "versions": services.versions}.get(name, services.database.promotions)
    original = getattr(owner, method)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if argument is not None and argument not in args:
            return original(*args, **kwargs)
        if when == "after":
            original(*args, **kwargs)
        raise Crash

    setattr(owner, method, deadly)
    try:
        yield
    finally:
        delattr(owner, method)


def test_finishing_a_finished_promotion_changes_nothing(services: Services, project: Project) -> None:
    version = add_version(services, project)
    promotion = Promoter(services).promote(project, version.name, reason="r")
    changes = list(services.studio.changes)

    assert Promoter(services).finish(project, promotion) == promotion
    assert services.studio.changes == changes


def test_a_promotion_waits_while_label_studio_is_away(services: Services, project: Project) -> None:
    version = add_version(services, project)
    services.studio.refusals["push_predictions"] = StudioUnreachable("away")
    with pytest.raises(StudioUnreachable):
        Promoter(services).promote(project, version.name, reason="r")

    assert Promoter(services).reconcile() == 1

    services.studio.refusals.clear()
    assert Promoter(services).reconcile() == 0
    assert_is_serving(services, project, version.name)


def test_one_stuck_promotion_does_not_hold_up_another_projects(services: Services, project: Project) -> None:
    other = add_project(services, TEXTS, title="Other")
    services.database.promotions.begin(project.id, "tickets-1-v9", previous="x", reason="r", is_forced=False)
    version = add_version(services, other)
    services.database.promotions.begin(other.id, version.name, previous="x", reason="r", is_forced=False)

    assert Promoter(services).reconcile() == 1
    assert services.versions.serving(other) == version.name


def test_a_promotion_inside_a_running_job_is_left_to_the_job(services: Services, project: Project) -> None:
    version = add_version(services, project)
    services.database.promotions.begin(project.id, version.name, previous="x", reason="r", is_forced=False)
    services.database.jobs.request("train", project.id, {}, dedupe_key="x", claim=True)

    assert Promoter(services).reconcile() == 0
    assert services.versions.serving(project) == cold_start(project)


def test_the_promotion_of_a_forgotten_project_is_left_alone(services: Services) -> None:
    services.database.promotions.begin(99, "gone-99-v1", previous="x", reason="r", is_forced=False)

    assert Promoter(services).reconcile() == 0


def test_a_promotion_can_be_given_up_before_its_commit_point_only(services: Services, project: Project) -> None:
    first, second = add_version(services, project), add_version(services, project)
    services.database.promotions.begin(project.id, first.name, previous="x", reason="r", is_forced=False)

    Promoter(services).abandon(project)
    Promoter(services).abandon(project)

    assert services.database.promotions.history(project.id)[0].state is PromotionState.ABANDONED
    Promoter(services).promote(project, second.name, reason="r")
    begun = services.database.promotions.begin(project.id, first.name, previous="x", reason="r", is_forced=False)
    services.database.promotions.advance(begun, PromotionState.COMMITTED)
    with pytest.raises(PromotionError, match="can only be finished"):
        Promoter(services).abandon(project)


def test_a_promotion_whose_version_serves_cannot_be_given_up(services: Services, project: Project) -> None:
    version = add_version(services, project)
    begun = services.database.promotions.begin(project.id, version.name, previous="x", reason="r", is_forced=False)
    services.database.promotions.advance(begun, PromotionState.PUSHED)
    services.versions.serve(version.name)

    with pytest.raises(PromotionError, match="serves already"):
        Promoter(services).abandon(project)


def test_rollback_returns_to_the_version_before_and_another_one_to_that_before_it(
    services: Services, project: Project
) -> None:
    first, _ = serve(services, project), serve(services, project)

    Promoter(services).rollback(project, reason="worse in practice")

    assert_is_serving(services, project, first.name)
    assert services.database.promotions.history(project.id)[0].is_forced

    Promoter(services).rollback(project, reason="r")

    assert_is_serving(services, project, cold_start(project))
    assert services.versions.champion(project.ref.key) is None
    with pytest.raises(PromotionError, match="has no champion"):
        Promoter(services).rollback(project, reason="r")


def test_after_a_rollback_and_a_new_model_rollback_skips_what_was_rolled_back(
    services: Services, project: Project
) -> None:
    first, _bad = serve(services, project), serve(services, project)
    Promoter(services).rollback(project, reason="r")
    serve(services, project)

    Promoter(services).rollback(project, reason="r")

    assert_is_serving(services, project, first.name)


def test_rolling_back_to_a_cold_start_of_earlier_labels_gives_the_one_of_today(
    services: Services, project: Project
) -> None:
    serve(services, project)
    config = CONFIG.replace("Returns", "Refunds")
    services.studio.update_project(project.id, {"label_config": config})
    project = remember_project(services, project.id, config)

    Promoter(services).rollback(project, reason="r")

    assert_is_serving(services, project, cold_start(project))
    assert services.database.promotions.history(project.id)[0].version == cold_start(project)


def test_a_champion_set_by_hand_cannot_be_rolled_back_and_the_message_says_why(
    services: Services, project: Project
) -> None:
    services.versions.serve(add_version(services, project).name)

    with pytest.raises(PromotionError, match="has a champion that no promotion led to"):
        Promoter(services).rollback(project, reason="r")


def test_promotion_in_a_fully_labeled_project_keeps_the_selection(services: Services, project: Project) -> None:
    for number in (1, 2, 3):
        services.studio.submit_annotation(number, {"result": choice("Billing")})

    version = serve(services, project)

    assert services.versions.serving(project) == version.name
    assert services.studio.project(project.id).model_version == cold_start(project)
