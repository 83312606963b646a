"""Commands about a project in Label Studio: `connect`, `doctor`, `prelabel`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ConfigurationError
from .app import app
from .options import AsJson, ConfigFile, OptionalProject, ProjectNumber
from .output import emit, note
from .session import open_services

__all__: list[str] = []

MARKS = {"ok": "ok     ", "warning": "warning", "broken": "BROKEN ", "skipped": "skipped"}


@app.command()
def connect(
    project: ProjectNumber = None,
    create: Annotated[
        str | None, typer.Option(metavar="TITLE", help="Make a project with this title; needs --config.")
    ] = None,
    config: ConfigFile = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="Tasks for the new project, as JSON or JSON lines."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect a Label Studio project, or repair its connection.

    Needs a running `labelloop serve` and LABELLOOP_STUDIO_TOKEN. In the project, it adds the backend and a webhook with
    its password, removes stray copies of the webhook, turns on uncertainty sampling and selects the model version that
    pre-labels come from. Safe to repeat.
    """
    from ..workflows.connecting.connect import connect as connect_project
    from ..workflows.connecting.connect import create_and_connect

    if (project is None) == (create is None):
        raise ConfigurationError("name an existing PROJECT by its number, or give --create TITLE --config FILE")
    if create is not None and config is None:
        raise ConfigurationError("--create needs --config FILE; label_config/ holds templates")
    if project is not None and (config or tasks):
        raise ConfigurationError("--config and --tasks belong to --create; an existing project has its own")
    services = open_services(project=project)
    if project is not None:
        connection = connect_project(services, project)
    else:
        xml = config.read_text(encoding="utf-8") if config else ""
        connection = create_and_connect(services, create or "", xml, _tasks(tasks) if tasks else [])
    for notice in connection.notices:
        note(f"note: {notice}")
    emit(connection, as_json=as_json, lines=[*connection.sentences, connection.url])


@app.command()
def doctor(
    project: ProjectNumber = None,
    as_json: AsJson = False,
) -> None:
    """Check that everything works, and say how to fix what does not.

    Checks settings, databases, Label Studio, the running backend and the models: of one project, or of all that are
    connected. Changes nothing. The exit status is 1 if anything is broken.
    """
    from ..workflows.doctor.diagnose import diagnose

    findings = diagnose(open_services(project=project), project)
    lines = []
    for finding in findings:
        whose = f" of project {finding.project_id}" if finding.project_id is not None else ""
        lines.append(f"{MARKS[finding.state]}  {finding.check}{whose}: {finding.found}")
        if finding.fix:
            lines.append(f"         fix: {finding.fix}")
    emit(findings, as_json=as_json, lines=lines)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command()
def prelabel(
    project: OptionalProject = None,
    as_json: AsJson = False,
) -> None:
    """Store pre-labels in a project's unlabeled tasks.

    Needs --project. The version that serves predicts every task that holds no prediction of it yet, so an interrupted
    run continues where it stopped. Held-out tasks stay blind: their prediction is empty. Shows progress; Ctrl-C
    cancels.
    """
    from ..workflows.jobs.kinds.prelabel import PrelabelJob
    from .foreground import run_in_foreground

    if project is None:
        raise ConfigurationError("name the project: --project ID")
    services = open_services(project=project)
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
    from ..labelstudio.files.export_file import read_items
    from ..labelstudio.files.notes import FileNotes

    notes = FileNotes()
    tasks = [task for _, task in read_items(path, notes)]
    for sentence in notes.sentences:
        note(f"note: {sentence}")
    return tasks
