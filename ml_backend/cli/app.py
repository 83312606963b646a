"""The `labelloop` command: its sub-commands, and what an error looks like."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from ..errors import LabelloopError
from ..jobs.signals import interrupted_by_signals
from . import audit, export, files, jobs, models, projects, server, state, train
from .output import notes
from .session import command_session

if TYPE_CHECKING:
    from ..domain.ports import JobLauncher

__all__ = ["app", "main"]

SUMMARY = "Connect Label Studio, where experts label text, with a model that learns from their labels."

app = typer.Typer(
    name="labelloop",
    epilog="`labelloop COMMAND --help` explains a command. Settings are LABELLOOP_* environment variables; the README "
    "lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"labelloop {__version__}")
        raise typer.Exit


@app.callback(help=SUMMARY)
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Accept options that no command is needed for."""


for module in (server, projects, export, files, train, audit, state):
    module.register(app)
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(jobs.child_app, name="job", hidden=True)


def main(arguments: Sequence[str] | None = None, *, launcher: "JobLauncher | None" = None) -> None:
    """Run a command; the exit status is 0 only when it did what was asked.

    The first signal ends it in order, with exit status 128 plus the signal's number; a second one ends it at once.

    Args:
        arguments: None: those of the process.
        launcher: replaces the one that starts child processes for jobs.
    """
    try:
        with interrupted_by_signals(), command_session(launcher):
            app(args=arguments, prog_name="labelloop")
    except LabelloopError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(problem: str) -> None:
    notes().print(f"error: {problem}", style="red")
    sys.exit(1)
