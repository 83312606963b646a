"""Connecting a Label Studio project to this backend. Safe to repeat: what is as it should be is left alone."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ...domain.job import Job
from ...domain.label_config import LabelConfig
from ...domain.project import Project
from ...errors import ConfigurationError, StudioError, StudioRejected
from ...labelstudio.plans import plan_of
from ...options import BackendOptions
from ...tasks.shown_texts import ReadFields
from ..exporting.reading_faults import task_faults
from ..jobs.kinds.prelabel import PrelabelJob
from ..labeling.ingest import UNCERTAINTY_SAMPLING
from ..labeling.prelabel import select_version
from ..services import Services
from .projects import remember_project
from .reading import Reading
from .webhook import SSRF_FIX, is_address_refusal, same_address, wanted_webhook, webhook_url

__all__ = ["ANSWERING_STATES", "TASKS_READ", "Connection", "connect", "create_and_connect", "own_row"]

TASKS_READ = ReadFields.TASKS_READ
"""The number of a project's tasks that are looked at."""
BACKEND_TITLE = "labelloop"
INSTRUCTION = (
    "<p>A model has answered some of these tasks already: what is chosen, marked or written when a task opens is its "
    "answer. <b>Correct what is wrong, then press Submit.</b></p>"
    "<p>Some tasks come without an answer on purpose: they show how good the model is. Answer them by yourself.</p>"
    "<p>Skip a task that cannot be answered; the model learns nothing from it.</p>"
)
"""What Label Studio tells annotators of a new project before they label; HTML, which an admin can change there."""
ANSWERING_STATES = frozenset({"CO", "TR", "PR"})
BASIC_AUTH, NO_AUTH = "BASIC_AUTH", "NONE"


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


class _ConnectingLog:
    """Sentences on what connecting did, and on what a person should know of it, in the order of the steps."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.notices: list[str] = []


def connect(services: Services, project_id: int) -> Connection:
    """Register this backend with a project, repair its webhook, and set what the loop needs.

    Label Studio calls the backend meanwhile, so it must be running.

    Raises:
        LabelConfigError: the project's label config cannot be served; nothing was done.
        StudioError: Label Studio cannot be reached, refuses the token, or cannot reach the backend.
    """
    services, log = services.for_project(project_id), _ConnectingLog()
    project = _remembered(services, project_id, log)
    backend_id = _register(services, project, log)
    services.database.projects.set_backend(project_id, backend_id)
    _set_project(services, project, backend_id, log)
    job = _request_prelabels(services, project, log)
    return Connection(
        services.database.projects.get(project_id),
        f"{services.studio.url}/projects/{project_id}/data",
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
            count = services.studio.import_tasks(info.id, tasks)
            done.append(f"Imported {count} tasks.")
        services.studio.update_project(info.id, {"expert_instruction": INSTRUCTION, "show_instruction": True})
        done.append("Its labeling instructions tell annotators what to do with the model's answers.")
        connection = connect(services, info.id)
    except StudioError as error:
        raise StudioError(
            f"{error} ({' '.join(done)} Once that is mended, run `labelloop connect {info.id}`, "
            "or delete the project in Label Studio and start over)"
        ) from error
    return replace(connection, changes=(*done, *connection.changes))


def _check_tasks(tasks: Sequence[Mapping[str, Any]], config: LabelConfig) -> None:
    objects = (*config.objects, *(control.object for control in config.controls))
    shown = {each.field: each for each in objects if each.field and each.name}
    for number, task in enumerate(tasks, start=1):
        data = task.get("data", task)
        missing = sorted(name for name, tag in shown.items() if not isinstance(data, Mapping) or not tag.is_in(data))
        if missing:
            raise ConfigurationError(
                f"task {number} of {len(tasks)} has no field {missing[0]!r}, which the label config shows; Label "
                'Studio would refuse all of them. Add it to each task, or change value="$..." in the label config'
            )


def _remembered(services: Services, project_id: int, log: _ConnectingLog) -> Project:
    info = services.studio.project(project_id)
    record = services.database.projects.find(project_id)
    tasks = services.studio.first_tasks(project_id, TASKS_READ)
    project = remember_project(services, project_id, info.label_config, title=info.title, tasks=tasks)
    plan = plan_of(project)
    if record is None:
        log.changes.append(
            f"Project {project_id} is remembered as {project.ref.key}, with the split {project.split} "
            "(train, validation, test); the name is fixed from now on, the split from the first label on."
        )
    elif record.label_config != project.label_config:
        log.changes.append("The label config was read again, since it has changed.")
    if project.split != services.options.labels.split:
        log.notices.append(
            f"The split stays {project.split}, as it was when the project was connected; the setting split, "
            f"{services.options.labels.split} now, is for projects that are connected later."
        )
    log.notices += [f"{notice}." for notice in (*plan.notices, *task_faults(services, plan, tasks))]
    reading = Reading.of(services, project, tasks)
    log.notices += [*reading.facts, *reading.doubts, *([Reading.ADVICE] if reading.doubts else [])]
    return project


def _set_project(services: Services, project: Project, backend_id: int, log: _ConnectingLog) -> None:
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


def _request_prelabels(services: Services, project: Project, log: _ConnectingLog) -> Job | None:
    version = services.versions.serving(project)
    if next(iter(services.studio.tasks_without_prediction(project.id, version)), None) is None:
        return None
    job, is_new = PrelabelJob(trigger="connect").request(services, project.id)
    if is_new:
        log.changes.append(f"Queued job {job.id}, which pushes the pre-labels of {version}.")
    return job


def _register(services: Services, project: Project, log: _ConnectingLog) -> int:
    """Make or repair webhook and backend row of a project; returns the row's id.

    The webhook comes first, so that nothing is left behind when Label Studio refuses the address: where it blocks
    private addresses for webhooks alone, adding a backend would fail after its row was made. A webhook that is
    there already spares Label Studio making one without credentials.

    Raises:
        StudioError: Label Studio refuses the address, or cannot reach the backend.
    """
    row = own_row(services.studio.backends(project.id), project, services.options.backend)
    made_id: int | None = None
    try:
        made_id = _repair_webhooks(services, project.id, row, log)
        backend_id = _repair_row(services, project.id, row, log)
    except StudioError as error:
        if made_id is not None:
            with suppress(StudioError):  # what went wrong first is the news
                services.studio.delete_webhook(made_id)
        raise _explained(error, services) from error
    _warn_of_others(services, project.id, backend_id, log)
    return backend_id


def own_row(
    rows: Sequence[Mapping[str, Any]], project: Project | None, access: BackendOptions
) -> Mapping[str, Any] | None:
    """Return this backend's row among a project's: at its address, or the one it had before its address changed."""
    here = [row for row in rows if same_address(row["url"], access.url)]
    before = [row for row in rows if project is not None and row["id"] == project.backend_id]
    return next(iter(here + before), None)


def _repair_webhooks(
    services: Services, project_id: int, row: Mapping[str, Any] | None, log: _ConnectingLog
) -> int | None:
    """Exactly one webhook to this backend, as it should be; returns its id where it had to be made."""
    access, studio = services.options.backend, services.studio
    url = webhook_url(access)
    places = [url] + ([f"{row['url'].rstrip('/')}/webhook"] if row else [])
    ours = [hook for hook in studio.webhooks(project_id) if any(same_address(hook["url"], each) for each in places)]
    ours.sort(key=lambda hook: hook["url"] != url)
    if not ours:
        webhook = studio.create_webhook(project_id, wanted_webhook(access))
        log.changes.append(f"Made the webhook to {url}.")
        return int(webhook["id"])
    first, *others = ours
    wanted = wanted_webhook(access, first)
    if not _is_like(first, wanted):
        studio.update_webhook(int(first["id"]), wanted)
        log.changes.append(f"Repaired the webhook to {url}.")
    for hook in others:
        studio.delete_webhook(int(hook["id"]))
        log.changes.append(f"Deleted webhook {hook['id']}, which pointed at this backend too.")
    return None


def _is_like(webhook: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True where nothing has to change. Label Studio returns actions in another order than it got them."""
    fields = {name: webhook.get(name) for name in wanted} | {"actions": sorted(webhook.get("actions") or ())}
    return fields == {**wanted, "actions": sorted(wanted["actions"])}


def _repair_row(services: Services, project_id: int, row: Mapping[str, Any] | None, log: _ConnectingLog) -> int:
    access = services.options.backend
    settings: dict[str, Any] = {"url": access.url, "auth_method": NO_AUTH}
    if access.password:
        settings |= {
            "auth_method": BASIC_AUTH,
            "basic_auth_user": access.user,
            "basic_auth_pass": access.password.get_secret_value(),
        }
    if row is None:
        backend = services.studio.create_backend(project_id, {**settings, "title": BACKEND_TITLE})
        log.changes.append(f"Added the backend {access.url} to the project.")
        return int(backend["id"])
    if not _is_registered_like(row, settings):
        services.studio.update_backend(int(row["id"]), {**settings, "project": project_id})
        log.changes.append(f"Brought the backend {row['title']!r} up to date: {access.url}.")
    return int(row["id"])


def _is_registered_like(row: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """The password is write-only; Label Studio has just tried it, so a wrong one shows as a state."""
    if row["url"].rstrip("/") != settings["url"] or row.get("state") not in ANSWERING_STATES:
        return False
    if settings["auth_method"] == NO_AUTH:
        return bool(row.get("auth_method", NO_AUTH) == NO_AUTH)
    login = (row.get("auth_method"), row.get("basic_auth_user"), bool(row.get("basic_auth_pass_is_set")))
    return login == (BASIC_AUTH, settings["basic_auth_user"], True)


def _warn_of_others(services: Services, project_id: int, backend_id: int, log: _ConnectingLog) -> None:
    rows = services.studio.backends(project_id)
    if rows and rows[0]["id"] != backend_id:
        log.notices.append(
            f"Label Studio asks only the first backend of a project, which is {rows[0]['title']!r} at "
            f"{rows[0]['url']}; delete that one under Settings, Model."
        )
    for row in rows:
        if row["id"] != backend_id and same_address(row["url"], services.options.backend.url):
            log.notices.append(f"This backend is listed twice; delete {row['title']!r} under Settings, Model.")


def _explained(error: StudioError, services: Services) -> StudioError:
    """Add advice to a refusal by Label Studio, whose message alone distinguishes the cases."""
    url, message = services.options.backend.url, str(error)
    if not isinstance(error, StudioRejected):
        return error
    if is_address_refusal(message):
        advice = f"Label Studio at {services.studio.url} refuses to call {url}, a private address: {SSRF_FIX}"
    elif "authentication parameters" in message:
        advice = (
            f"the backend at {url} takes other credentials than LABELLOOP_USER and LABELLOOP_PASSWORD say here; "
            "give `labelloop serve` and this command the same settings"
        )
    elif "Can't connect to ML backend" in message:
        advice = (
            f"Label Studio tried {url} and got no good answer: start `labelloop serve`; where Label Studio runs on "
            "another machine or in a container, set LABELLOOP_PUBLIC_URL to the address that it can reach"
        )
    elif "valid ML backend" in message:
        advice = f"what answers at {url} is another service, or its /setup failed: look at the log of `labelloop serve`"
    else:
        return error
    return StudioRejected(f"{advice}. {message}", status=error.status)
