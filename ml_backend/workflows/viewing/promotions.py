"""Say what a promotion would change in Label Studio."""

from typing import Any

from ...domain.project import Project
from ...errors import StudioError
from ..services import Services

__all__ = ["promotion_effects"]


def promotion_effects(services: Services, project: Project, version: str) -> dict[str, Any]:
    """Return whose pre-labels people would see, and what would become of those that Label Studio holds.

    Returns:
        `serving` (what serves now), `version`, `fault` (why Label Studio could not be asked, or empty) and `stored`:
        objects with `version`, `tasks` that have its pre-label, and `fate` (`shown`, `kept` or `deleted`).
    """
    serving = services.versions.serving(project)
    try:
        counts, fault = services.studio.prediction_counts(project.id), ""
    except StudioError as error:
        counts, fault = {}, str(error)
    own = {name: tasks for name, tasks in counts.items() if name.startswith(f"{project.ref.key}-")}
    fates = {version: "shown", serving: "kept"}
    stored = [
        {"version": name, "tasks": tasks, "fate": fates.get(name, "deleted")} for name, tasks in sorted(own.items())
    ]
    return {"serving": serving, "version": version, "fault": fault, "stored": stored}
