"""Pushing pre-labels in bulk: uncertainty sampling serves only tasks that have a stored prediction of the version."""

from collections.abc import Callable

from ..domain.annotation import Prediction
from ..domain.ports import Predictor
from ..domain.project import Project
from ..errors import StudioError
from ..labelstudio.validation import misfits
from ..serving.prelabels import prelabel
from .services import Services
from .setup import plan_of

__all__ = ["push_missing", "select_version"]

TASKS_PER_PUSH = 5000
"""With every push Label Studio counts the predictions of the whole project again, so a few large ones are faster."""
DRAFTS_PER_PUSH = 50
"""Responses take seconds each to write: what is written should not be lost when the push is interrupted."""

Report = Callable[[float, str], None]


def push_missing(services: Services, project: Project, predictor: Predictor, report: Report) -> int:
    """Push predictions to the unlabeled tasks that lack one of this version; held-out tasks get a blind one.

    Safe to repeat: what is there already is left alone, so an interrupted push goes on where it stopped.

    Args:
        report: told the fraction done and a sentence.

    Returns:
        The number of predictions pushed.

    Raises:
        StudioError: some do not fit the label config, or Label Studio dropped some.
    """
    plan = plan_of(project)
    # Read to the end before the first push, because each push takes tasks out of what the query finds.
    tasks = list(services.studio.tasks_without_prediction(project.id, predictor.version))
    size = DRAFTS_PER_PUSH if plan.has_texts else TASKS_PER_PUSH
    for start in range(0, len(tasks), size):
        batch = tasks[start : start + size]
        predictions = prelabel(batch, predictor, plan, project.split).predictions
        pairs = [(task.id, prediction) for task, prediction in zip(batch, predictions, strict=True)]
        _check_fit(project, predictor.version, pairs)
        created = services.studio.push_predictions(project.id, pairs)
        if created != len(batch):
            _check_dropped(services, project, predictor.version, [task.id for task in batch])
        services.hooks.predictions_made(project.ref.key, predictor.version, pairs)
        done = start + len(batch)
        report(done / len(tasks), f"pushed {done} of {len(tasks)} pre-labels")
    return len(tasks)


def _check_fit(project: Project, version: str, pairs: list[tuple[int, Prediction]]) -> None:
    """Label Studio drops what does not fit its label config without a word, so nothing of the kind is sent."""
    unfit = misfits(project.label_config, pairs)
    if unfit:
        task_id, reason = next(iter(unfit.items()))
        raise StudioError(
            f"{len(unfit)} of {len(pairs)} predictions of {version} do not fit the label config of project "
            f"{project.id}, that of task {task_id} for one: {reason}. Train again on the labels as they are now"
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
