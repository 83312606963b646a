"""`labelloop demo`."""

from typing import Annotated

import typer

from .options import AsJson

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    exit_at_end: Annotated[
        bool,
        typer.Option("--exit", help="End after the loop; status 0 only if the promoted model beats the cold start."),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the backend; a free one otherwise.")
    ] = None,
    studio_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of Label Studio; a free one otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the whole loop on a fresh Label Studio.

    Starts Label Studio and the backend on this machine, labels bundled support tickets as an expert would, presses
    Start Training, and shows what the promoted model makes of the blind test tickets. Ctrl-C ends both.
    """
    from ..demo.run import run_demo

    is_success = run_demo(exit_at_end=exit_at_end, port=port, studio_port=studio_port, as_json=as_json)
    if exit_at_end and not is_success:
        raise typer.Exit(1)
