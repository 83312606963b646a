"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ..domain.job import Job
from ..domain.project import Project

__all__ = [
    "AsJson",
    "ConfigFile",
    "JobId",
    "OptionalProject",
    "OptionalSourceFolder",
    "ProjectNumber",
    "SnapshotFolder",
    "SourceFolder",
]


def _studio_id(number: int | None) -> int | None:
    """Return the number if Label Studio can have such an id."""
    return _bounded(number, Project.GREATEST_ID)


def _job_id(number: int | None) -> int | None:
    """Return the number if it can be a job's id."""
    return _bounded(number, Job.GREATEST_ID)


def _bounded(number: int | None, greatest: int) -> int | None:
    if number is not None and not 1 <= number <= greatest:
        raise typer.BadParameter(f"{number} found; wanted a number from 1 to {greatest}")
    return number


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OptionalProject = Annotated[
    int | None,
    typer.Option("--project", metavar="ID", callback=_studio_id, help="Number of a connected project."),
]
ProjectNumber = Annotated[
    int | None,
    typer.Argument(
        metavar="[PROJECT]", callback=_studio_id, help="Number of the project, as in its URL in Label Studio."
    ),
]
JobId = Annotated[int, typer.Argument(metavar="ID", callback=_job_id, help="Number of the job.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", exists=True, dir_okay=False, readable=True, metavar="FILE", help="The project's label config (XML)."
    ),
]
SnapshotFolder = Annotated[
    Path | None,
    typer.Option(
        "--snapshot", exists=True, file_okay=False, metavar="DIR", help="Folder that `labelloop export` wrote."
    ),
]
_SOURCES = typer.Option(
    "--sources",
    exists=True,
    file_okay=False,
    metavar="DIR",
    help="Folder of rationales (*.py), gazetteers/, patterns/ and prompts/. Its code runs with your rights.",
)
SourceFolder = Annotated[Path, _SOURCES]
OptionalSourceFolder = Annotated[Path | None, _SOURCES]
