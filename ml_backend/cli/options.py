"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ..domain.job import GREATEST_JOB_ID
from ..domain.project import GREATEST_STUDIO_ID

__all__ = [
    "AsJson",
    "ConfigFile",
    "ExistingFile",
    "Model",
    "ModelFolder",
    "OptionalProject",
    "SnapshotFolder",
    "job_id",
    "studio_id",
]


def studio_id(number: int | None) -> int | None:
    """Return the number if it can be an id of Label Studio's."""
    return _bounded(number, GREATEST_STUDIO_ID)


def job_id(number: int | None) -> int | None:
    """Return the number if it can be a job's id."""
    return _bounded(number, GREATEST_JOB_ID)


def _bounded(number: int | None, greatest: int) -> int | None:
    if number is not None and not 1 <= number <= greatest:
        raise typer.BadParameter(f"{number} found; wanted a number from 1 to {greatest}")
    return number


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OptionalProject = Annotated[
    int | None,
    typer.Option("--project", metavar="ID", callback=studio_id, help="A connected project."),
]
ExistingFile = typer.Option(exists=True, dir_okay=False, readable=True)
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", exists=True, dir_okay=False, readable=True, help="Label config (XML) of the export."),
]
SnapshotFolder = Annotated[
    Path | None, typer.Option("--snapshot", exists=True, file_okay=False, metavar="DIR", help="Folder of a snapshot.")
]
Model = Annotated[str | None, typer.Option("--model", metavar="VERSION", help="A registered version.")]
ModelFolder = Annotated[
    Path | None,
    typer.Option("--model-dir", exists=True, file_okay=False, metavar="DIR", help="Folder of a trained version."),
]
