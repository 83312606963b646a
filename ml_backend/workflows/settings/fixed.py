"""The settings that decide which texts are held out: they can change until the first label, and then never again.

A text that was shown with a pre-label, or trained on, must not become a test row.
"""

from dataclasses import replace
from datetime import UTC, datetime

from ...domain.job import JobState
from ...domain.project import Project
from ...errors import ConfigurationError
from ...labelstudio.plans import plan_of
from ...options import Options
from ...tasks.shown_texts import ReadFields
from ..connecting.projects import read_fields
from ..jobs.kinds.prelabel import PrelabelJob
from ..services import Services

__all__ = ["FIXED", "begin_anew", "check_unlabeled", "fixed_value"]

FIXED = ("split", "ignored_fields")
NEW_PROJECT = "import its tasks into a new project, set it there by `labelloop settings set`, and connect that one"
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def fixed_value(project: Project, name: str, wanted: str) -> str:
    """Return the value that a connected project works with; `wanted` where the project does not keep it as such."""
    return str(project.split) if name == "split" else wanted


def check_unlabeled(services: Services, project: Project) -> None:
    """Let nobody change how a project is split once somebody has labeled.

    Raises:
        ConfigurationError: there is a label, a version or a snapshot, or a job is under way.
        StudioError: Label Studio cannot say whether there is a label.
    """
    database, found = services.database, ""
    if database.events.last_id(project.id) or services.studio.labeled_since(project.id, EVER, 1):
        found = "has labels"
    elif services.versions.champion(project.ref.key) or services.versions.next_number(project.ref.key) > 1:
        found = "has trained versions"
    elif database.snapshots.last(project.id) or database.selections.listed(project.id):
        found = "has snapshots or a list of tasks to label next, made by the present split"
    if found:
        raise ConfigurationError(
            f"project {project.id} {found}; what is held out was fixed before the first label, so that no test row has "
            f"ever been shown with a pre-label or trained on. To have it otherwise, {NEW_PROJECT}"
        )
    running = [
        job for state in (JobState.QUEUED, JobState.RUNNING) for job in database.jobs.page(
            project_id=project.id, state=state, limit=1
        )
    ]  # fmt: skip
    if running:
        raise ConfigurationError(
            f"job {running[0].id}, {running[0].kind}, of project {project.id} is {running[0].state}; change what is "
            "held out once it is over"
        )


def begin_anew(services: Services, project: Project, options: Options) -> int:
    """Split a project without labels anew; return the job that makes its pre-labels again.

    All pre-labels are deleted first, so that none stays on a task that is held out from now on.

    Raises:
        ConfigurationError: as for `check_unlabeled`.
        StudioError: Label Studio cannot be asked, or cannot delete them; nothing was changed here.
    """
    check_unlabeled(services, project)
    for version in services.studio.prediction_counts(project.id):
        if version.startswith(f"{project.ref.key}-"):
            services.studio.delete_predictions(project.id, version)
    plan = plan_of(project.label_config)
    tasks = services.studio.first_tasks(project.id, ReadFields.TASKS_READ)
    fields = read_fields(replace(services, options=options), plan, (task.data for task in tasks))
    if not services.database.splits.begin_anew(project.id, options.labels.split, fields.names):
        check_unlabeled(services, project)
    return PrelabelJob(trigger="settings").request(services, project.id)[0].id
