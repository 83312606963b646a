"""Switch label sources of a project off and on. Measuring switches sources off as well, whatever people say."""

from typing import Any

from ...domain.project import Project
from ...domain.readable import listed
from ...errors import SourceError
from ..services import Services
from .stored import stored_check

__all__ = ["LONGEST_NAME", "switch_source", "switched_off"]

LONGEST_NAME = 200
"""Characters of a source's name that the database keeps beside all else."""


def switch_source(services: Services, project: Project, source: str, *, is_on: bool, actor: str) -> bool:
    """Switch a source of a project, from the next training or check on; False where it was so already.

    A source that is switched on can still be off, by what was measured.

    Raises:
        SourceError: the last check of the project's sources knows no such source, and nobody has ever switched it; or
            its name is too long.
    """
    if len(source) > LONGEST_NAME:
        raise SourceError(
            f"a name of {len(source)} characters found; a source that is switched has {LONGEST_NAME} at most"
        )
    switches = services.database.source_switches
    known, checked = switches.all(project.id), stored_check(services, project)
    names = [each["name"] for each in checked["sources"]] if checked else []
    if source not in known and (checked is not None and source not in names):
        raise SourceError(
            f"the last check of project {project.id} knows no source {source!r}; it knows {listed(names, 20) or 'none'}"
        )
    is_now_on = known[source]["is_on"] if source in known else True
    if is_now_on is not is_on:
        switches.put(project.id, source, is_on=is_on, actor=actor)
    return is_now_on is not is_on


def switched_off(services: Services, project: Project) -> dict[str, str]:
    """Return why sources are off that somebody has switched off, by their names."""
    switches = services.database.source_switches.all(project.id)
    return {name: _why(each) for name, each in switches.items() if not each["is_on"]}


def _why(switch: Any) -> str:
    return f"{switch['actor'] or 'somebody'} switched it off on {switch['switched_at'].date().isoformat()}"
