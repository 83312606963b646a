"""Projects of Label Studio that are not connected, and what connecting one of them would do."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...domain.annotation import ProjectInfo, Task
from ...domain.model import ModelVersion
from ...domain.readable import listed
from ...errors import LabelConfigError
from ...labelstudio.plans import plan_of
from ...tasks import ServingPlan
from ..exporting.reading_faults import task_faults
from ..labeling.ingest import UNCERTAINTY_SAMPLING
from ..services import Services
from .connect import TASKS_READ, own_row
from .projects import read_fields, slug_of
from .webhook import same_address, webhook_url

__all__ = ["connection_preview", "unconnected_projects"]

MOST_LISTED = 500
"""Projects of Label Studio that are asked for; it sends them in some seconds."""


def unconnected_projects(services: Services) -> Mapping[str, Any]:
    """Return the projects of Label Studio that are not connected, newest first.

    Returns:
        `projects`, objects with `id`, `title` and `tasks`, their number; and `is_cut`, whether there may be more.

    Raises:
        StudioError: Label Studio does not answer.
    """
    found = services.studio.newest_projects(MOST_LISTED)
    connected = {project.id for project in services.database.projects.all()}
    projects = [
        {"id": each.id, "title": each.title, "tasks": each.task_count} for each in found if each.id not in connected
    ]
    return {"projects": projects, "is_cut": len(found) == MOST_LISTED}


def connection_preview(services: Services, project_id: int) -> Mapping[str, Any]:
    """Return what connecting a project would do. Nothing is changed, neither here nor in Label Studio.

    Returns:
        `title`; `tasks`, their number; `problem`, why it cannot be connected, empty where it can; `facts` on its label
        config and tasks; and `steps`, what would be made or set, in sentences.

    Raises:
        StudioError: Label Studio does not answer, or has no such project.
    """
    services = services.for_project(project_id)
    info = services.studio.project(project_id)
    found: dict[str, Any] = {"title": info.title, "tasks": info.task_count, "problem": "", "facts": [], "steps": []}
    try:
        plan = plan_of(info.label_config)
    except LabelConfigError as error:
        return {**found, "problem": str(error)}
    tasks = services.studio.first_tasks(project_id, TASKS_READ)
    return {**found, "facts": _facts(services, info, plan, tasks), "steps": _steps(services, info, plan)}


def _facts(services: Services, info: ProjectInfo, plan: ServingPlan, tasks: Sequence[Task]) -> list[str]:
    served = [f"{each.name!r}, {each.kind.name.replace('_', ' ')}" for each in plan.controls]
    facts = [f"The model will answer {listed(served)}.", *(f"{notice}." for notice in plan.notices)]
    fields = read_fields(services, plan, (task.data for task in tasks))
    facts += fields.sentences
    if not info.task_count:
        return [*facts, "It has no task yet; tasks that are imported later get pre-labels by themselves."]
    seen = "all" if len(tasks) >= info.task_count else f"the first {len(tasks):,}"
    faults = [f"{fault}." for fault in task_faults(services, plan_of(info.label_config, fields.names), tasks)]
    return [*facts, *(faults or [f"{seen.capitalize()} of {info.task_count:,} tasks were looked at; all can be read."])]


def _steps(services: Services, info: ProjectInfo, plan: ServingPlan) -> list[str]:
    access, studio = services.options.backend, services.studio
    key, split = f"{slug_of(info.title)}-{info.id}", services.options.labels.split
    row = own_row(studio.backends(info.id), services.database.projects.find(info.id), access)
    hooks = [hook for hook in studio.webhooks(info.id) if same_address(hook["url"], webhook_url(access))]
    steps = [
        (
            f"The project is remembered as {key}, with the split {split} (train, validation, test). Both are "
            "fixed from the first label on."
        ),
        (
            f"{'The webhook is checked' if hooks else 'A webhook is made'}: {webhook_url(access)} gets the project's "
            "events."
        ),
        f"{'The backend is brought up to date' if row else 'The backend is added to the project'}: {access.url}.",
    ]
    if info.sampling != UNCERTAINTY_SAMPLING:
        steps.append(f"The sampling becomes {UNCERTAINTY_SAMPLING!r}; it is {info.sampling!r}.")
    if not info.show_collab_predictions:
        steps.append("Predictions are switched on to prelabel tasks.")
    if info.task_count:
        version = ModelVersion.cold_start_name(key, plan.config.fingerprint)
        steps.append(
            f"A job pushes pre-labels of {version} to the unlabeled tasks; held-out ones, about "
            f"{1 - split.train:.0%}, get none."
        )
    return steps
