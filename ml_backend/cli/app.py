"""The `labelloop` command, to which the modules beside this one add theirs."""

from typing import Annotated

import typer

from .. import __version__

__all__ = ["app"]

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
