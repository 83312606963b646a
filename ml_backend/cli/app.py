"""The `labelloop` command: its sub-commands, and what an error looks like."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from ..errors import LabelloopError
from ..jobs.signals import interrupted_by_signals
from . import audit, demo, export, files, jobs, models, projects, server, state, train
from .output import complain
from .session import command_session

if TYPE_CHECKING:
    from ..domain.ports import JobLauncher

__all__ = ["app", "main"]

app = typer.Typer(
    name="labelloop",
    help="The loop between experts who label text in Label Studio and the model that learns from them.",
    epilog="Settings are LABELLOOP_* environment variables; the README lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"labelloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The loop between experts who label text in Label Studio and the model that learns from them."""


for module in (demo, server, projects, export, files, train, audit, state):
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
        complain(str(error))
        sys.exit(1)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
