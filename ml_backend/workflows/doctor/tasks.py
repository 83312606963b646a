"""Check a project's tasks: whether they have the texts that the label config shows, and get pre-labels for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...domain.annotation import Task
from ...domain.model import ModelVersion
from ...labelstudio.plans import plan_of
from ...models.decoders.base import decoder_of
from .examination import Check, Examination, Finding, broken, fine, warning
from .probe import PREDICT_TIMEOUT_S

__all__ = ["CHECKS"]

TASKS_PREDICTED = 20
TEXTS_WRITTEN = 1
"""The number of tasks to try where a model writes responses, each of which takes seconds."""


def _task_texts(exam: Examination) -> Finding:
    tasks = exam.first_tasks
    if not tasks:
        return fine("there is no task yet")
    shown = plan_of(exam.project.label_config).object
    empty = [task for task in tasks if not shown.text(task.data).strip()]
    some = f"the first {len(tasks)} tasks" if len(tasks) > 1 else "the only task"
    if not empty:
        return fine(f"{some} {'have' if len(tasks) > 1 else 'has'} a text at {shown.written}")
    found = (
        f"{'all' if len(empty) == len(tasks) else len(empty)} of {some} have no text at {shown.written}, task "
        f"{empty[0].id} for one, whose data holds {_keys(empty[0].data)}; they get no pre-label, and give no row"
    )
    if len(empty) < len(tasks):
        return warning(found, "fill it in, or delete these tasks")
    return broken(
        found,
        'let value="$..." under Settings, Labeling Interface name what the tasks hold, or import tasks that hold it'
        + ("" if shown.encoding == "none" else f", encoded as {shown.encoding}"),
    )


def _keys(data: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, data)) or "nothing"


def _prelabels(exam: Examination) -> Finding:
    """Ask the running backend for pre-labels of tasks that are not blind. It stores nothing."""
    plan = plan_of(exam.project.label_config)
    if ModelVersion.is_cold_start_name(exam.version) and not any(
        decoder_of(each.kind.head).is_one_label for each in plan.controls
    ):
        return fine("none before the first training: the cold start answers single choices alone")
    tasks = _open_tasks(exam)[: TEXTS_WRITTEN if plan.has_texts else TASKS_PREDICTED]
    if not tasks:
        return fine("not asked for: each of the first tasks is blind or has no text")
    answer = exam.probe.post("/predict", _request(exam, tasks), timeout_s=PREDICT_TIMEOUT_S)
    if answer.status != 200:
        return broken(
            f"the running backend fails with {answer.status} {answer.reason}", "look at the log of `labelloop serve`"
        )
    filled = sum(bool(entry.get("result")) for entry in answer.get("results") or ())
    if filled:
        return fine(f"{exam.version} has an answer to {filled} of {len(tasks)} tasks that were asked about")
    return warning(
        f"all pre-labels of {exam.version} are empty, those of {len(tasks)} tasks with texts that were asked about",
        "`labelloop_prelabels_total` in `/metrics` counts the reasons: label more tasks to which labels apply, then "
        f"train again: `labelloop train --project {exam.project_id}`",
    )


def _open_tasks(exam: Examination) -> list[Task]:
    """Return the tasks that have a text and are not held out."""
    texts = [(task, plan_of(exam.project.label_config).text(task.data)) for task in exam.first_tasks]
    return [task for task, text in texts if text.strip() and not exam.project.split.split_of(text).is_held_out]


def _request(exam: Examination, tasks: Sequence[Task]) -> dict[str, Any]:
    sent = [{"id": task.id, "data": dict(task.data)} for task in tasks]
    return {"project": str(exam.project_id), "label_config": exam.info.label_config, "tasks": sent}


CHECKS = (
    Check("task_texts", _task_texts, needs=("project", "label_config", "connected")),
    Check("prelabels", _prelabels, needs=("label_config", "connected", "versions")),
)
