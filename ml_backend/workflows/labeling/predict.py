"""Pre-labels for the tasks of a request, and predictions for the tasks of a file."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...batches import in_batches
from ...domain.annotation import Prediction, Region, Task
from ...domain.project import Project
from ...errors import BundleError, DatabaseUnavailable, LabelConfigError
from ...labelstudio.files.export_file import read_tasks
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.plans import plan_of
from ...serving.prelabels import Prelabels, prelabel
from ...tasks import ServingPlan
from ...tasks.occurrences import drawn_regions, further_marks
from ..services import Services
from .blind import are_blind

__all__ = ["plan_in", "predict_file", "predict_for_studio"]

log = logging.getLogger(__name__)

TASKS_AT_ONCE = 512


def predict_for_studio(services: Services, project: Project, tasks: Sequence[Task], params: object = None) -> Prelabels:
    """Return one pre-label per task, in order, by the model that serves the project.

    Args:
        params: of the request. Where they say what an annotator has just drawn, and the settings want it, the answer is
            the further places of the same words instead; it has no score, and blind tasks get none.
    """
    services, plan = _own_services(services, project), plan_of(project)
    predictor = services.champions.get(project)
    blind = _are_blind(services, project, plan, tasks)
    drawn = drawn_regions(params) if services.options.feedback.mark_further else None
    if drawn is not None:
        return _further(plan, tasks, blind, drawn, predictor.version)
    prelabels = prelabel(tasks, predictor, plan, blind, labels_off=services.options.feedback.labels_off)
    pairs = [(task.id, prediction) for task, prediction in zip(tasks, prelabels.predictions, strict=True)]
    services.hooks.predictions_made(project.ref.key, predictor.version, pairs)
    return prelabels


def _further(
    plan: ServingPlan, tasks: Sequence[Task], blind: Sequence[bool], drawn: Sequence[Region], version: str
) -> Prelabels:
    results = [
        () if is_blind else tuple(further_marks(plan, drawn, plan.text(task.data)))
        for task, is_blind in zip(tasks, blind, strict=True)
    ]
    empty = Counter(
        "blind" if is_blind else "nothing_found" for is_blind, result in zip(blind, results, strict=True) if not result
    )
    return Prelabels(tuple(Prediction(result, None, version) for result in results), empty, (None,) * len(results))


def _own_services(services: Services, project: Project) -> Services:
    """Return the services with the project's settings; without, where nobody knows them, and all tasks are blind."""
    try:
        return services.for_project(project.id)
    except DatabaseUnavailable as error:
        log.warning("project %s is answered without its settings: %s", project.id, error)
        return services


def _are_blind(services: Services, project: Project, plan: ServingPlan, tasks: Sequence[Task]) -> list[bool]:
    """Return which tasks are blind; while the database is away, nobody knows, so all with a text are."""
    try:
        return are_blind(services, project, plan, tasks)
    except DatabaseUnavailable as error:
        log.warning("project %s: %s tasks stay without a pre-label: %s", project.id, len(tasks), error)
        return [bool(plan.text(task.data).strip()) for task in tasks]


def predict_file(
    services: Services, bundle: Path, tasks: Path, notes: FileNotes | None = None
) -> Iterator[tuple[Mapping[str, Any], Prediction]]:
    """Yield every task of a file unchanged, with its prediction, in the file's order. No task is blind.

    Args:
        notes: counts the values that had to be changed or left out.

    Raises:
        BundleError: the version's bundle is missing or damaged.
        StudioExportError: the file holds no tasks; raised when the reading gets there.
    """
    plan = plan_in(bundle)
    predictor = services.load_predictor(bundle)
    for batch in in_batches(read_tasks(tasks, notes), TASKS_AT_ONCE):
        prelabels = prelabel([task for _, task in batch], predictor, plan, is_blind=None)
        yield from zip((item for item, _ in batch), prelabels.predictions, strict=True)


def plan_in(path: Path) -> ServingPlan:
    """Return the serving plan of a version, by the label config with which it was trained.

    Raises:
        BundleError: the version's bundle is missing or damaged.
    """
    from ...models.bundle.bundle import read_bundle

    manifest = read_bundle(path).manifest
    try:
        plan = plan_of(manifest.facts)
    except LabelConfigError as error:
        raise BundleError(f"the label config in {path} cannot be used: {error}") from error
    if {part.control for part in manifest.parts}.isdisjoint(served.name for served in plan.controls):
        raise BundleError(f"{path} answers no control of the label config in it; fetch or train the version again")
    return plan
