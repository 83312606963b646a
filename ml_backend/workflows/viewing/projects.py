"""All projects at a glance, and what waits for people in one of them."""

from collections.abc import Mapping
from typing import Any

from ...domain.job import JobState
from ...domain.project import Project
from ...errors import SnapshotError
from ..connecting.projects import announced_version
from ..exporting.snapshots import stored_snapshot
from ..services import Services
from ..training.policy import new_labels

__all__ = ["project_summaries", "waiting_for_people"]

UNRESOLVED = "unresolved"


def project_summaries(services: Services, part: str = "") -> list[dict[str, Any]]:
    """Return the projects with this part in their titles, by title.

    Returns:
        Objects with `id`, `title`, `serving`, `new_labels`, `retrain_after`, `alarms` (sentences that something has
        changed since what serves was trained) and `running` (jobs that run now).
    """
    database = services.database
    running = database.jobs.page(state=JobState.RUNNING, limit=1000)
    champions = services.versions.champions()
    summaries = []
    for project in database.projects.all():
        if part.casefold() not in project.title.casefold():
            continue
        serving = announced_version(services, project, champions)
        summaries.append(
            {
                "id": project.id,
                "title": project.title,
                "serving": serving,
                "new_labels": new_labels(services, project),
                "retrain_after": services.for_project(project.id).options.retraining.after,
                "alarms": [alarm.sentence for alarm in database.drift_alarms.all(project.id, serving)],
                "running": [job for job in running if job.project_id == project.id],
            }
        )
    return sorted(summaries, key=lambda each: (each["title"].casefold(), each["id"]))


def waiting_for_people(services: Services, project: Project) -> Mapping[str, int | None]:
    """Return how many tasks wait for a person, by why.

    Returns:
        `listed` in the tab of tasks to label next; `suspects` among likely label errors, decoys included, since nobody
        is to tell them apart; `disagreements` that the newest snapshot could not resolve, None where it is not on this
        machine.
    """
    database = services.database
    return {
        "listed": len(database.selections.listed(project.id)),
        "suspects": len(database.flags.open(project.id)),
        "disagreements": _disagreements(services, project),
    }


def _disagreements(services: Services, project: Project) -> int | None:
    last = services.database.snapshots.last(project.id)
    if last is None:
        return 0
    try:
        return stored_snapshot(services, project, last.id).manifest.counts.get(UNRESOLVED, 0)
    except SnapshotError:
        return None
