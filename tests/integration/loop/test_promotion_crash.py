"""A promotion whose process is killed at any step, on a real Label Studio and a real registry."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.config import load_settings
from ml_backend.domain.job import JobState
from ml_backend.domain.model import Method, ModelVersion, PromotionState
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.workflows.connecting.projects import announced_version, remember_project
from ml_backend.workflows.jobs.recovery import JobRecovery
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fakes import FakePredictor
from tests.studio import project_with_tasks

TASKS = [f"my parcel number {number} has not arrived" for number in range(12)]
LABEL = "Shipping"
NAME_FILE = "version"
# One before the commit point, one at it, one behind it; tests/contract/jobs/test_promote.py dies at every step.
STEPS = ("after the push", "after the version serves", "before old predictions are deleted")


@pytest.fixture(scope="module")
def services(studio: LocalStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """What the server that is started again holds."""
    made = _services(studio, tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_one_champion_serves_everywhere(
    step: str, services: Services, studio: LocalStudio, studio_client: StudioClient
) -> None:
    project = _project_with_two_versions(services, studio_client)
    old, new = f"{project.ref.key}-v2", f"{project.ref.key}-v3"
    job, _ = services.database.jobs.request("promote", project.id, {}, dedupe_key=f"promote:{project.id}", claim=True)

    died = _in_a_process(lambda: _promote_and_die(services.options.home, studio, project, new, step))
    assert died == -signal.SIGKILL

    # A new server: the killed job shows no sign of life, so it is given up; then half-done promotions are finished.
    impatient = services.options.jobs.model_copy(update={"heartbeat_timeout_s": 1e-6, "attempts": 1})
    patient = replace(services, options=services.options.model_copy(update={"jobs": impatient}))
    JobRecovery(patient).recover_dead()
    Promoter(services).reconcile()
    Promoter(services).reconcile()

    assert services.database.jobs.get(job.id).state is JobState.ABANDONED
    assert services.versions.serving(project) == new
    assert announced_version(services, project) == new
    assert studio_client.project(project.id).model_version == new
    assert services.database.promotions.open(project.id) is None
    assert services.database.promotions.history(project.id)[0].state is PromotionState.DONE
    assert studio_client.prediction_counts(project.id) == {old: len(TASKS), new: len(TASKS)}


def _project_with_two_versions(services: Services, client: StudioClient) -> Project:
    """A project that v2 serves, with predictions of v1 and v2 in Label Studio, and v3 registered."""
    info = project_with_tasks(client, TASKS)
    project = remember_project(services, info.id, info.label_config, title=info.title, split=SplitFractions(1, 0, 0))
    for _ in range(3):
        _register(services, project)
    Promoter(services).promote(project, f"{project.ref.key}-v2", reason="first")
    push_missing(services, project, FakePredictor(f"{project.ref.key}-v1", {}, LABEL))
    return project


def _register(services: Services, project: Project) -> None:
    """Register a version whose bundle is its name."""
    number = services.versions.next_number(project.ref.key)
    folder = services.options.home / f"bundle-{project.id}-{number}"
    folder.mkdir()
    (folder / NAME_FILE).write_text(ModelVersion.name_of(project.ref.key, number))
    with services.tracker.run(project.ref.key, "training") as run:
        run.log_folder(folder, "bundle")
        services.versions.register(
            project.ref.key,
            number=number,
            run_id=run.run_id,
            artifact_path="bundle",
            method=Method.REGRESSION,
            snapshot_id="0" * 12,
            label_config_fingerprint=project.label_config_fingerprint,
            metrics={},
        )


def _services(studio: LocalStudio, home: Path) -> Services:
    settings = load_settings(home=home, studio_url=studio.url, studio_token=studio.token)
    return replace(build_services(settings), load_predictor=_load)


def _load(path: Path) -> FakePredictor:
    return FakePredictor((path / NAME_FILE).read_text(), {}, LABEL)


def _promote_and_die(home: Path, studio: LocalStudio, project: Project, version: str, step: str) -> None:
    services = _services(studio, home)
    when, what = step.split(" ", maxsplit=1)
    owner, method = _call(services, what)
    original = getattr(owner, method)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, method, deadly)
    Promoter(services).promote(project, version, reason="better")


def _call(services: Services, what: str) -> tuple[object, str]:
    """Owner and name of the method that makes a step."""
    calls: dict[str, tuple[object, str]] = {
        "the push": (services.studio, "push_predictions"),
        "the version serves": (services.database.promotions, "commit"),
        "old predictions are deleted": (services.studio, "delete_predictions"),
    }
    return calls[what]


def _in_a_process(work: Callable[[], None]) -> int | None:
    """Exit status of a process that does the work; negative for the signal that ended it."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    return process.exitcode
