"""Commands about a project in Label Studio: `connect`, `doctor`, `prelabel`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ConfigurationError
from .options import AsJson, ConfigFile, OptionalProject, studio_id
from .output import emit, note
from .session import open_services

__all__ = ["register"]

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "skipped": "skipped"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connect)
    app.command()(doctor)
    app.command()(prelabel)


def connect(
    project: Annotated[
        int | None,
        typer.Argument(metavar="[PROJECT]", callback=studio_id, help="Number of an existing project."),
    ] = None,
    create: Annotated[str | None, typer.Option(metavar="TITLE", help="Make a new project.")] = None,
    config: ConfigFile = None,
    tasks: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON or JSON lines: tasks for the new project.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect a project, or repair its connection.

    Registers the running backend in Label Studio, gives the webhook its credentials and actions, removes stray
    webhooks, turns on uncertainty sampling and selects the model version. Safe to repeat.
    """
    from ..workflows.connecting.connect import connect as connect_project
    from ..workflows.connecting.connect import create_and_connect

    if (project is None) == (create is None):
        raise ConfigurationError("name an existing PROJECT by its number, or give --create TITLE --config FILE")
    if create is not None and config is None:
        raise ConfigurationError("--create needs --config FILE; label_config/ holds templates")
    if project is not None and (config or tasks):
        raise ConfigurationError("--config and --tasks belong to --create; an existing project has its own")
    services = open_services()
    if project is not None:
        done = connect_project(services, project)
    else:
        xml = config.read_text(encoding="utf-8") if config else ""
        done = create_and_connect(services, create or "", xml, _tasks(tasks) if tasks else [])
    for notice in done.notices:
        note(f"note: {notice}")
    emit(done, as_json=as_json, lines=[*done.sentences, done.url])


def doctor(
    project: Annotated[
        int | None,
        typer.Argument(metavar="[PROJECT]", callback=studio_id, help="Left out: every connected one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every link of the chain, and say how to fix it.

    Status 1 if anything is broken.
    """
    from ..workflows.doctor.diagnose import diagnose

    findings = diagnose(open_services(), project)
    lines = []
    for finding in findings:
        whose = f" of project {finding.project_id}" if finding.project_id is not None else ""
        lines.append(f"{MARKS[finding.state]}  {finding.check}{whose}: {finding.found}")
        if finding.fix:
            lines.append(f"         fix: {finding.fix}")
    emit(findings, as_json=as_json, lines=lines)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def prelabel(
    project: OptionalProject = None,
    only_stale: Annotated[  # noqa: ARG001 (a version's answers never change, so there is nothing else to push)
        bool,
        typer.Option("--only-stale", help="Leave tasks alone that hold a prediction of this version; always so."),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Push pre-labels to a project's unlabeled tasks.

    Those of the version that serves; an interrupted push goes on where it stopped.
    """
    from ..workflows.jobs.kinds.prelabel import PrelabelJob
    from .foreground import run_in_foreground

    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services()
    job = run_in_foreground(services, lambda: PrelabelJob(trigger="command").request(services, project, claim=True))
    result = job.result
    if not result["is_selected"]:
        note("Label Studio holds no prediction of this version yet: there is no unlabeled task")
    emit(
        {"job_id": job.id, **result},
        as_json=as_json,
        lines=[f"{result['pushed']} pre-labels of {result['model_version']} pushed"],
    )


def _tasks(path: Path) -> list[Mapping[str, Any]]:
    from ..labelstudio.export_file import read_items
    from ..labelstudio.file_notes import FileNotes

    notes = FileNotes()
    tasks = [task for _, task in read_items(path, notes)]
    for sentence in notes.sentences:
        note(f"note: {sentence}")
    return tasks
