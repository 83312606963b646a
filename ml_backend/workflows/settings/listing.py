"""The settings that a project may have for itself, as they hold now, with where each value comes from."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from ...domain.project_setting import ProjectSetting, SettingOrigin
from ...options import Options, all_settings, project_settings
from ..project_options import ProjectOptions
from ..services import Services
from .fixed import FIXED, fixed_value

__all__ = ["setting_faults", "settings_of"]


def settings_of(services: Services, project_id: int) -> list[dict[str, Any]]:
    """Return the settings that a project may have for itself, in the README's order.

    Returns:
        Objects with `name`, `heading` of its group, `description`, `value`, `origin`, `default`, `inherited` (what
        holds where the project sets nothing itself), `by` and `at` of who set it, `is_own` (the project sets it),
        `is_in_studio` (extra params may hold it), `choices` (empty: any text), and `fault` (why a stored value is left
        out; empty: none is).
    """
    backend = (services.backend or services).options
    stored = services.database.settings.all(project_id)
    readable = ProjectOptions(backend, services.database.settings)
    options, faults = readable.merged(stored)
    without, _ = readable.merged(each for each in stored if each.origin is SettingOrigin.STUDIO)
    names, fields = project_settings(), all_settings()
    values, inherited, defaults = (each.texts(names) for each in (options, without, Options()))
    project = services.database.projects.find(project_id)
    listed = []
    for name, (group, field) in names.items():
        own = _in_force(stored, name, faults)
        origin = own.origin if own else _origin(backend, group, field)
        value = values[name]
        if name in FIXED and project is not None:
            value = fixed_value(project, name, value)
        listed.append(
            {
                "name": name,
                "heading": _heading(group),
                "description": fields[name].description or "",
                "value": value,
                "origin": origin,
                "default": defaults[name],
                "inherited": inherited[name],
                "by": own.by if own else "",
                "at": own.at if own else None,
                "is_own": any(each.name == name and each.origin is SettingOrigin.PROJECT for each in stored),
                "is_in_studio": name in project_settings(in_studio=True),
                "choices": _choices(fields[name]),
                "fault": faults.get(name, ""),
            }
        )
    return listed


def setting_faults(services: Services, project_id: int) -> Mapping[str, str]:
    """Return why stored settings of a project do not hold, by name."""
    rows = services.database.settings
    return ProjectOptions((services.backend or services).options, rows).merged(rows.all(project_id))[1]


def _heading(group: str) -> str:
    """Return what a group of settings is about: the first sentence of its description."""
    kind = Options.model_fields[group].annotation
    return (getattr(kind, "__doc__", "") or group).strip().partition("\n")[0].rstrip(".")


def _in_force(stored: Iterable[ProjectSetting], name: str, faults: Iterable[str]) -> ProjectSetting | None:
    if name in faults:
        return None
    order = list(SettingOrigin)
    own = [each for each in stored if each.name == name]
    return max(own, key=lambda each: order.index(each.origin), default=None)


def _origin(backend: Options, group: str, field: str) -> SettingOrigin:
    is_set = field in getattr(backend, group).model_fields_set
    return SettingOrigin.ENVIRONMENT if is_set else SettingOrigin.DEFAULT


def _choices(definition: FieldInfo) -> list[str]:
    """Return the values that there are, as text; none where any text or number may do."""
    kind = definition.annotation
    if kind is bool:
        return ["True", "False"]
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return [str(each) for each in kind.__members__.values()]
    return [str(each) for each in get_args(kind)] if get_origin(kind) is not None else []
