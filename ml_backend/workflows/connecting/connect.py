"""Connecting a Label Studio project to this backend. Safe to repeat: what is as it should be is left alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...domain.job import Job
from ...domain.label_config import LabelConfig
from ...domain.project import Project
from ...errors import ConfigurationError, StudioError
from ...labelstudio.plans import plan_of
from ..doctor.examination import TASKS_READ
from ..exporting.reading_faults import task_faults
from ..jobs.kinds.prelabel import PrelabelJob
from ..labeling.ingest import UNCERTAINTY_SAMPLING
from ..labeling.prelabel import select_version
from ..services import Services
from .projects import remember_project
from .register import Log, register

__all__ = ["Connection", "connect", "create_and_connect", "project_url"]


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of a project's connection.

    Attributes:
        url: of the project's tasks in Label Studio.
        changes: what was done, in sentences; empty where everything was as it should be.
        notices: what a person should know or do, in sentences.
        job: the job that pushes pre-labels, where tasks lack them.
    """

    project: Project
    url: str
    changes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    job: Job | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what was done, or that there was nothing to do."""
        return self.changes or (f"Project {self.project.id} is connected already; nothing was changed.",)


def connect(services: Services, project_id: int) -> Connection:
    """Register this backend with a project, repair its webhook, and set what the loop needs.

    Label Studio calls the backend meanwhile, so it must be running.

    Raises:
        LabelConfigError: the project's label config cannot be served; nothing was done.
        StudioError: Label Studio cannot be reached, refuses the token, or cannot reach the backend.
    """
    log = Log()
    project = _remembered(services, project_id, log)
    backend_id = register(services, project, log)
    services.database.projects.set_backend(project_id, backend_id)
    _set_project(services, project, backend_id, log)
    job = _request_prelabels(services, project, log)
    return Connection(
        services.database.projects.get(project_id),
        project_url(services, project_id),
        tuple(log.changes),
        tuple(log.notices),
        job,
    )


def create_and_connect(
    services: Services, title: str, label_config: str, tasks: Sequence[Mapping[str, Any]]
) -> Connection:
    """Create a project with these tasks and connect it.

    Args:
        tasks: in Label Studio's import format, or the bare data of each.

    Raises:
        LabelConfigError: the label config cannot be served; nothing was made.
        ConfigurationError: a task lacks a field that the label config shows; nothing was made.
        StudioError: Label Studio cannot be reached, refuses the token, or cannot reach the backend; the message
            says whether the project exists by then.
    """
    _check_tasks(tasks, plan_of(label_config).config)
    info = services.studio.create_project(title, label_config)
    done = [f"Made project {info.id}, {title!r}."]
    try:
        if tasks:
            made = services.studio.import_tasks(info.id, tasks)
            done.append(f"Imported {made} tasks.")
        connection = connect(services, info.id)
    except StudioError as error:
        raise StudioError(
            f"{error} ({' '.join(done)} Once that is mended, run `labelloop connect {info.id}`, "
            "or delete the project in Label Studio and start over)"
        ) from error
    return replace(connection, changes=(*done, *connection.changes))


def project_url(services: Services, project_id: int) -> str:
    """Return the URL of the project's tasks in Label Studio."""
    return f"{services.studio.url}/projects/{project_id}/data"


def _check_tasks(tasks: Sequence[Mapping[str, Any]], config: LabelConfig) -> None:
    shown = {control.object.field: control.object for control in config.controls if control.object.field}
    for number, task in enumerate(tasks, start=1):
        data = task.get("data", task)
        missing = sorted(name for name, tag in shown.items() if not isinstance(data, Mapping) or not tag.is_in(data))
        if missing:
            raise ConfigurationError(
                f"task {number} of {len(tasks)} has no field {missing[0]!r}, which the label config shows; Label "
                'Studio would refuse all of them. Add it to each task, or change value="$..." in the label config'
            )


def _remembered(services: Services, project_id: int, log: Log) -> Project:
    info = services.studio.project(project_id)
    known = services.database.projects.find(project_id)
    project = remember_project(services, project_id, info.label_config, title=info.title)
    if known is None:
        log.changes.append(
            f"Project {project_id} is remembered as {project.ref.key}, with the split {project.split} "
            "(train, validation, test); both are fixed from now on."
        )
    elif known.label_config != project.label_config:
        log.changes.append("The label config was read again, since it has changed.")
    if project.split != services.options.labels.split:
        log.notices.append(
            f"The split stays {project.split}, as it was when the project was connected; "
            f"LABELLOOP_SPLIT={services.options.labels.split} is for projects that are connected later."
        )
    plan = plan_of(project.label_config)
    tasks = services.studio.first_tasks(project_id, TASKS_READ)
    log.notices += [f"{notice}." for notice in (*plan.notices, *task_faults(services, plan, tasks))]
    return project


def _set_project(services: Services, project: Project, backend_id: int, log: Log) -> None:
    """Set the sampling, and select the predictions that annotators see."""
    info = services.studio.project(project.id)
    settings: dict[str, Any] = {}
    if info.sampling != UNCERTAINTY_SAMPLING:
        settings["sampling"] = UNCERTAINTY_SAMPLING
        log.changes.append(f"Set the sampling to {UNCERTAINTY_SAMPLING!r}; it was {info.sampling!r}.")
    if not info.show_collab_predictions:
        settings["show_collab_predictions"] = True
        log.changes.append("Switched on that predictions prelabel tasks.")
    if settings:
        services.studio.update_project(project.id, settings)
    version = services.versions.serving(project)
    if select_version(services, project, version):
        if info.model_version != version:
            log.changes.append(f"Selected the pre-labels of {version}.")
    elif not info.model_version:
        # Until the first push, an empty project's pre-labels come from the live backend.
        title = next(row["title"] for row in services.studio.backends(project.id) if row["id"] == backend_id)
        services.studio.update_project(project.id, {"model_version": title})
        log.changes.append(f"Selected the backend {title!r} for pre-labels until the first ones are stored.")


def _request_prelabels(services: Services, project: Project, log: Log) -> Job | None:
    version = services.versions.serving(project)
    if next(iter(services.studio.tasks_without_prediction(project.id, version)), None) is None:
        return None
    job, is_new = PrelabelJob(trigger="connect").request(services, project.id)
    if is_new:
        log.changes.append(f"Queued job {job.id}, which pushes the pre-labels of {version}.")
    return job
