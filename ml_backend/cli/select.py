"""`labelloop select`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError
from ..plugins import kind_names
from .app import app
from .files import StudioExport, config_text
from .options import AsJson, ConfigFile, OptionalProject, OptionalSourceFolder
from .output import emit, note, table
from .session import open_services

if TYPE_CHECKING:
    from rich.table import Table

    from ..workflows.services import Services

__all__: list[str] = []

SHOWN_TASKS, GREATEST_COUNT = 20, 10_000


@app.command()
def select(
    project: OptionalProject = None,
    studio_export: StudioExport = None,
    config: ConfigFile = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="Unlabeled tasks, as JSON or JSON lines; with an export."
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join(kind_names('ml_backend.selection.strategies'))}.",
            show_default="LABELLOOP_SELECT_STRATEGY",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=GREATEST_COUNT, help="How many tasks.", show_default="LABELLOOP_SELECT_COUNT"),
    ] = None,
    sources: OptionalSourceFolder = None,
    push: Annotated[
        bool, typer.Option("--push", help='Show them in Label Studio, in the tab "Label these next".')
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Choose the tasks to label next, in order, each with a reason.

    Needs --project, or --studio-export, --config and --tasks: what is labeled, and what is not. Near duplicates are
    passed over, a share is drawn at random, and held-out tasks are drawn at random alone. With --push, Label Studio
    lists the tasks in a tab, whose list is then kept up to date: after each promotion, and when two thirds are labeled.
    """
    if (project is None) == (studio_export is None):
        raise ConfigurationError(
            "name the tasks: either --project ID or --studio-export FILE --config FILE --tasks FILE"
        )
    if push and project is None:
        raise ConfigurationError("--push shows tasks in Label Studio; give the project: --project ID")
    if project is not None and tasks is not None:
        raise ConfigurationError("--tasks goes with --studio-export; a project's unlabeled tasks are in Label Studio")
    services = open_services(project=project)
    folder = str(sources.resolve()) if sources else ""
    if project is not None:
        result = (_pushed if push else _of_project)(services, project, strategy, count, folder)
    elif studio_export is not None and config is not None and tasks is not None:
        from ..workflows.selecting.select import select_from_files

        files = studio_export, config_text(config), tasks
        result = select_from_files(services, *files, strategy=strategy, count=count, sources=folder).to_json()
    else:
        raise ConfigurationError("--studio-export needs --config FILE and --tasks FILE, the tasks to choose from")
    for sentence in result["notes"]:
        note(f"note: {sentence}")
    emit(result, as_json=as_json, lines=() if as_json else _lines(result))


def _of_project(
    services: "Services", project: int, strategy: str | None, count: int | None, sources: str
) -> dict[str, Any]:
    from ..workflows.selecting.select import select_from_project

    connected = services.database.projects.get(project)
    return select_from_project(services, connected, strategy=strategy, count=count, sources=sources).to_json()


def _pushed(
    services: "Services", project: int, strategy: str | None, count: int | None, sources: str
) -> dict[str, Any]:
    from ..workflows.jobs.kinds.select import SelectJob
    from .foreground import claimed, run_in_foreground

    wanted = SelectJob(trigger="command", strategy=strategy, count=count, sources=sources)
    job = run_in_foreground(services, claimed(services, project, wanted))
    return {"job_id": job.id, **job.result}


def _lines(result: dict[str, Any]) -> "Iterator[str | Table]":
    tasks = result["tasks"]
    yield f"{len(tasks)} of {result['unlabeled']} unlabeled tasks"
    if tasks:
        rows = [(each["task_id"], each["strategy"].replace("_", " "), each["reason"]) for each in tasks[:SHOWN_TASKS]]
        yield table(("task", "chosen by", "because"), rows)
    if len(tasks) > SHOWN_TASKS:
        yield f"and {len(tasks) - SHOWN_TASKS} more, which --json lists"
    if pushed := result.get("pushed"):
        yield f"{pushed['written']} tasks written, {pushed['cleared']} cleared, {pushed['unchanged']} as before"
        yield from (f"{title}: {url}" for title, url in pushed["tabs"].items())
