"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "ConfigFile", "ExistingFile", "Model", "ModelFolder", "OptionalProject", "SnapshotFolder"]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OptionalProject = Annotated[int | None, typer.Option("--project", metavar="ID", help="A connected project.")]
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
