"""Change the settings of a project, and say before what that will do."""

from collections.abc import Mapping
from typing import Any

from ...domain.project import Project
from ...domain.project_setting import SettingOrigin
from ...errors import ConfigurationError
from ...options import Options, project_settings
from ..project_options import ProjectOptions
from ..services import Services
from .consequences import consequences
from .fixed import FIXED, begin_anew, check_unlabeled, fixed_value

__all__ = ["change_setting", "preview_of"]


def preview_of(services: Services, project_id: int, name: str, value: str | None) -> Mapping[str, Any]:
    """Return what a change would do; nothing is changed.

    Args:
        value: None: the project sets nothing itself any more.

    Returns:
        An object with `name`, `before` and `after`, the values as text, and `sentences`, what the change will do.

    Raises:
        ConfigurationError: no project can set this, the value cannot work, or it is too late for it.
        StudioError: Label Studio must be asked, and does not answer.
    """
    fresh = _fresh(services, project_id)
    after = _after(fresh, project_id, name, value)
    project, new = fresh.database.projects.find(project_id), after.texts([name])[name]
    before = _before(fresh, project, name)
    if project is None:
        sentences = ["The project is not connected yet; it holds from its connection on."]
    elif before == new:
        sentences = [f"It is {new or 'empty'} already, so nothing changes in what the project does."]
    else:
        if name in FIXED:
            check_unlabeled(fresh, project)
        sentences = consequences(fresh, project, name, after)
    return {"name": name, "before": before, "after": new, "sentences": sentences}


def change_setting(services: Services, project_id: int, name: str, value: str | None, *, by: str) -> bool:
    """Set a setting of a project, or take it back; return False where there was nothing to change.

    Args:
        value: None: the project sets nothing itself any more.

    Raises:
        ConfigurationError: as for `preview_of`.
        StudioError: as for `preview_of`.
    """
    fresh = _fresh(services, project_id)
    after = _after(fresh, project_id, name, value)
    project, new = fresh.database.projects.find(project_id), after.texts([name])[name]
    if name in FIXED and project is not None and new != _before(fresh, project, name):
        begin_anew(fresh, project, after)
    stored = None if value is None else new
    return services.database.settings.put(project_id, name, stored, origin=SettingOrigin.PROJECT, by=by)


def _fresh(services: Services, project_id: int) -> Services:
    """Return the services with the settings of this moment, whenever the given ones were made."""
    return (services.backend or services).for_project(project_id)


def _before(fresh: Services, project: Project | None, name: str) -> str:
    """Return the value that holds now, as text."""
    value = fresh.options.texts([name])[name]
    return fixed_value(project, name, value) if project is not None and name in FIXED else value


def _after(fresh: Services, project_id: int, name: str, value: str | None) -> Options:
    """Return the options that the project would have.

    Raises:
        ConfigurationError: no project can set this, or the value cannot work.
    """
    if name not in project_settings():
        raise ConfigurationError(
            f"{name!r} found; wanted a setting that a project may have for itself: {', '.join(project_settings())}"
        )
    if value is not None:
        return fresh.options.with_values({name: value})
    rows = fresh.database.settings
    kept = [each for each in rows.all(project_id) if (each.name, each.origin) != (name, SettingOrigin.PROJECT)]
    return ProjectOptions((fresh.backend or fresh).options, rows).merged(kept)[0]
