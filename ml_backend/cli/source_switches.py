"""`labelloop sources on|off`: which label sources of a project count."""

from typing import Annotated, Any

import typer

from ..errors import ConfigurationError
from .options import AsJson, OptionalProject
from .output import emit
from .session import open_services, operator
from .sources import source_commands

__all__: list[str] = []

SourceName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the source, as `sources check` lists it.")]


@source_commands.command()
def off(source: SourceName, project: OptionalProject = None, as_json: AsJson = False) -> None:
    """Switch a label source of a project off: trainings, proposals and selection do without it from now on.

    `sources check` goes on measuring it, except for prompts, for which nobody is asked any more.
    """
    _switch(source, project, is_on=False, as_json=as_json)


@source_commands.command()
def on(source: SourceName, project: OptionalProject = None, as_json: AsJson = False) -> None:
    """Switch a label source of a project on again. One that is surely below the floor stays off all the same."""
    _switch(source, project, is_on=True, as_json=as_json)


def _switch(source: str, project: int | None, *, is_on: bool, as_json: bool) -> None:
    from ..workflows.sourcing.switching import switch_source

    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services(project=project)
    connected = services.database.projects.get(project)
    has_changed = switch_source(services, connected, source, is_on=is_on, actor=operator())
    state = "on" if is_on else "off"
    result: dict[str, Any] = {"source": source, "is_on": is_on, "has_changed": has_changed}
    emit(result, as_json=as_json, lines=[f"{source} is {state}" + ("" if has_changed else ", as it was before")])
