"""`labelloop settings`: what a project has for itself, in place of the backend's environment."""

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..domain.access import AuditEntry
from ..domain.job import Job
from ..domain.project import Project
from .app import app
from .options import AsJson
from .output import emit, note, table
from .session import open_services, operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from ..workflows.services import Services

__all__: list[str] = []

_settings = typer.Typer(help="Show and change what a project has for itself.", no_args_is_help=True)
app.add_typer(_settings, name="settings")
ProjectId = Annotated[
    int,
    typer.Argument(
        metavar="PROJECT",
        min=1,
        max=Project.GREATEST_ID,
        help="Number of the project, as in its URL in Label Studio; it need not be connected yet.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as review_rule; `labelloop settings list` shows all.")]


@_settings.command("list")
def list_settings(project: ProjectId, as_json: AsJson = False) -> None:
    """List the settings that a project may have for itself: value, and where it comes from.

    What is set here or on the page goes before the extra params of the project's model in Label Studio, these go before
    the environment, and that goes before the default.
    """
    from ..workflows.settings.listing import settings_of

    shown = settings_of(open_services(project=project), project)
    emit(shown, as_json=as_json, lines=_groups(shown))


@_settings.command()
def get(project: ProjectId, name: Name, as_json: AsJson = False) -> None:
    """Print the value of a setting that holds for a project."""
    from ..errors import ConfigurationError
    from ..workflows.settings.listing import settings_of

    shown = {each["name"]: each for each in settings_of(open_services(project=project), project)}
    if name not in shown:
        raise ConfigurationError(f"{name!r} found; wanted one of {', '.join(shown)}")
    emit(shown[name], as_json=as_json, lines=[shown[name]["value"]])


@_settings.command("set")
def set_setting(
    project: ProjectId,
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As in the environment; '' for an empty one.")],
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would do, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a setting for a project, and say what that does.

    It holds for servers, workers and jobs that start from now on; a job that runs keeps what it began with.
    """
    _change(project, name, value, is_preview=preview, as_json=as_json)


@_settings.command()
def unset(
    project: ProjectId,
    name: Name,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would do, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back what a project has for itself, and say what that does."""
    _change(project, name, None, is_preview=preview, as_json=as_json)


@_settings.command("log")
def show_log(
    project: ProjectId,
    limit: Annotated[int, typer.Option(min=1, max=Job.GREATEST_ID, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the changes of a project's settings, newest first: when, by whom, what it was and what it is."""
    changes = open_services(project=project).database.settings.changes(project, limit=limit)
    rows = [(f"{each.at:%Y-%m-%d %H:%M}", each.by, each.origin, each.name, each.before, each.value) for each in changes]
    emit(changes, as_json=as_json, lines=[table(("when (UTC)", "by", "set in", "setting", "before", "after"), rows)])


def _change(project: int, name: str, value: str | None, *, is_preview: bool, as_json: bool) -> None:
    from ..workflows.settings.changing import change_setting, preview_of

    services = open_services(project=project)
    said = preview_of(services, project, name, value)
    is_changed = not is_preview and change_setting(services, project, name, value, by=operator())
    if is_changed:
        _note_in_log(services, project, said, is_set=value is not None)
    for sentence in said["sentences"]:
        note(sentence)
    held = {"is_changed": is_changed, **said}
    verb = "would be" if is_preview else "is"
    emit(
        held, as_json=as_json, lines=[f"{name} {verb} {said['after'] or 'empty'}; before: {said['before'] or 'empty'}"]
    )


def _note_in_log(services: "Services", project: int, said: Mapping[str, Any], *, is_set: bool) -> None:
    detail = f"{said['name']}: {said['before']!r} before, {said['after']!r} now"
    action = "settings set" if is_set else "settings unset"
    services.database.audit_log.add(AuditEntry(operator(), "command", action, f"project {project}", detail=detail))


def _groups(shown: list[dict[str, Any]]) -> "Iterator[str | Table]":
    for heading, group in groupby(shown, key=lambda each: each["heading"]):
        yield f"{heading}:"
        rows = [
            (each["name"], each["value"], _source(each), f"left out: {each['fault']}" if each["fault"] else "")
            for each in group
        ]
        yield table(("setting", "value", "from", ""), rows)


def _source(each: Mapping[str, Any]) -> str:
    return f"{each['origin']}, {each['by']}, {each['at']:%Y-%m-%d %H:%M}" if each["at"] else str(each["origin"])
