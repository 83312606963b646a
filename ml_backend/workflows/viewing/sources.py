"""A project's label sources as they were checked last, with what people have switched since."""

from typing import Any

from ...domain.project import Project
from ..services import Services
from ..sourcing.prompted import disclosure
from ..sourcing.read import folder_for
from ..sourcing.stored import stored_check
from ..sourcing.switching import switched_off

__all__ = ["project_sources", "who_gets_texts"]


def project_sources(services: Services, project: Project) -> dict[str, Any] | None:
    """Return the last check of a project's sources as `labelloop sources check --json` has it; None before the first.

    Sources also have `switch`, what somebody did with them: `is_on`, `actor` and `switched_at`; None where nobody has.
    Whether they are on is as of now, and `is_outdated` says that somebody has switched one since the check.
    """
    checked = stored_check(services, project)
    if checked is None:
        return None
    switches, off = services.database.source_switches.all(project.id), switched_off(services, project)
    sources = []
    for each in checked["sources"]:
        name = each["name"]
        why = off.get(name) or each["measured_off"]
        sources.append({**each, "is_on": not why, "off_because": why, "switch": switches.get(name)})
    is_outdated = any(each["switched_at"] > checked["stored_at"] for each in switches.values())
    return {**checked, "sources": sources, "is_outdated": is_outdated}


def who_gets_texts(services: Services, project: Project) -> str:
    """Return who gets texts if the sources that the settings name are checked; empty where nobody does."""
    folder = services.options.sources.folder
    return disclosure(services, folder_for(folder, project.ref.key)) if folder else ""
