"""Pushing pre-labels in bulk: uncertainty sampling serves only tasks that have a stored prediction of the version."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ...domain.annotation import Prediction, Task
from ...domain.ports import Predictor
from ...domain.progress import ProgressCallback, ignore_progress
from ...domain.project import Project
from ...errors import StudioError
from ...labelstudio.validation import known_controls, misfits
from ...serving.prelabels import prelabel
from ..connecting.projects import plan_of, project_as_it_is
from ..services import Services
from .bulk_push import BackgroundPush, PushProgress
from .read_ahead import read_ahead

__all__ = ["DRAFTS", "LABELS", "BatchSizes", "push_missing", "select_version"]

BATCHES_READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How many tasks at a time.

    Attributes:
        predicted: are given to the model together.
        pushed: are sent to Label Studio together; an interruption loses at most twice as many predictions.
    """

    predicted: int
    pushed: int


LABELS = BatchSizes(predicted=1000, pushed=20_000)
"""With every push Label Studio counts the predictions of all tasks in the project again, which takes it longer than to
store them, so few large ones are faster: 20,000 tasks take 20 s in one push, and 100 s and more in four. It stores a
push in one transaction, though, and with SQLite nobody else can save anything during its 3 s."""
DRAFTS = BatchSizes(predicted=50, pushed=50)
"""Responses take seconds each to write: what is written should not be lost when the push is interrupted."""


def push_missing(
    services: Services,
    project: Project,
    predictor: Predictor,
    report: ProgressCallback = ignore_progress,
    batch_sizes: BatchSizes | None = None,
) -> int:
    """Push predictions to the unlabeled tasks that lack one of this version; held-out tasks get a blind one.

    Only controls of the current label config are answered. Tasks are read, predicted and pushed at the same time, in
    constant memory however many there are. The first error ends all three and is raised here. Safe to repeat: existing
    predictions are left alone, so an interrupted push continues where it stopped.

    Args:
        batch_sizes: None: those that suit what the project asks for.

    Returns:
        The number of predictions pushed.

    Raises:
        LabelConfigError: the label config cannot be served any more.
        StudioError: some do not fit the label config, or Label Studio dropped some.
    """
    project = project_as_it_is(services, project)
    plan, version = plan_of(project), predictor.version
    sizes = batch_sizes or (DRAFTS if plan.has_texts else LABELS)
    expected = services.studio.count_without_prediction(project.id, version)
    progress = PushProgress(report, expected, services.clock)
    taken = known_controls(project.label_config)

    def push(pairs: Sequence[tuple[int, Prediction]]) -> None:
        _check_fit(services, project, version, pairs)
        if services.studio.push_predictions(project.id, pairs) != len(pairs):
            _check_dropped(services, project, version, [task_id for task_id, _ in pairs])

    def on_pushed(pairs: Sequence[tuple[int, Prediction]]) -> None:
        services.hooks.predictions_made(project.ref.key, version, pairs)
        progress.pushed += len(pairs)

    tasks = services.studio.tasks_without_prediction(project.id, version)
    with (
        read_ahead(_batches(tasks, sizes.predicted), BATCHES_READ_AHEAD) as batches,
        BackgroundPush(push, on_pushed) as pushing,
    ):
        ready: list[tuple[int, Prediction]] = []
        for batch in batches:
            predictions = prelabel(batch, predictor, plan, project.split).predictions
            ready += [(task.id, _part(prediction, taken)) for task, prediction in zip(batch, predictions, strict=True)]
            progress.predicted += len(batch)
            progress.report()
            if len(ready) >= sizes.pushed:
                pushing.start(ready, progress.report)
                ready = []
        if ready:
            pushing.start(ready, progress.report)
        pushing.finish(progress.report)
        if progress.pushed:
            progress.report()
    return progress.pushed


def _batches(tasks: Iterable[Task], size: int) -> Iterator[list[Task]]:
    source = iter(tasks)
    while batch := list(islice(source, size)):
        yield batch


def _part(prediction: Prediction, taken: Collection[str]) -> Prediction:
    """Keep the regions of controls for which Label Studio accepts predictions; connect and doctor name the others."""
    regions = tuple(region for region in prediction.result if region["from_name"] in taken)
    return prediction if len(regions) == len(prediction.result) else replace(prediction, result=regions)


def _check_fit(services: Services, project: Project, version: str, pairs: Sequence[tuple[int, Prediction]]) -> None:
    """Check predictions before they are sent, since Label Studio silently drops those that do not fit its label config.

    The config is read again: an admin may have removed a control while the predictions were made.
    """
    now = services.studio.project(project.id).label_config
    unfit = misfits(now, pairs)
    if unfit:
        task_id, reason = next(iter(unfit.items()))
        remedy = (
            "Train again on the labels as they are now"
            if now == project.label_config
            else "The config has changed since the predictions were begun: start this again"
        )
        raise StudioError(
            f"{len(unfit)} of {len(pairs)} predictions of {version} do not fit the label config of project "
            f"{project.id}, that of task {task_id} for one: {reason}. {remedy}"
        )


def _check_dropped(services: Services, project: Project, version: str, task_ids: list[int]) -> None:
    """Fewer predictions than sent are in order where their tasks were deleted or labeled meanwhile."""
    missing = {task.id for task in services.studio.tasks_without_prediction(project.id, version)} & set(task_ids)
    if missing:
        raise StudioError(
            f"Label Studio dropped {len(missing)} of {len(task_ids)} predictions of {version} in project {project.id}, "
            f"that of task {min(missing)} for one; it drops those that do not fit the label config. "
            f"Run `labelloop doctor {project.id}`"
        )


def select_version(services: Services, project: Project, version: str) -> bool:
    """Make Label Studio show and sort by this version's stored predictions.

    Returns:
        False where it holds none, as in an empty project: Label Studio refuses an unknown version, and pre-labels
        come from the live backend until the first push.
    """
    if not services.studio.prediction_counts(project.id).get(version):
        return False
    if services.studio.project(project.id).model_version != version:
        services.studio.update_project(project.id, {"model_version": version})
    return True
