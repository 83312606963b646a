"""Commands that run until Ctrl-C: `demo`, `serve`, `worker`."""

import signal
import threading
from typing import Annotated

import typer

from .app import app
from .options import AsJson
from .output import note
from .session import open_services

__all__: list[str] = []


@app.command()
def demo(
    exit_at_end: Annotated[
        bool,
        typer.Option(
            "--exit", help="End after the loop, with status 0 only if the trained model serves and is better."
        ),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Port of the backend; a free one otherwise.")
    ] = None,
    studio_port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Port of Label Studio; a free one otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play the whole loop on this machine, to try it out.

    Needs Label Studio to be installed. Starts a fresh one and the backend, labels bundled support tickets as an expert
    would, presses Start Training, and shows how well the trained model does on test tickets. Everything is written to
    `demo` in LABELLOOP_HOME, which the next demo empties. Ctrl-C ends both servers.
    """
    from ..demo.run import run_demo

    is_success = run_demo(exit_at_end=exit_at_end, port=port, studio_port=studio_port, as_json=as_json)
    if exit_at_end and not is_success:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.", show_default="LABELLOOP_HOST")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, metavar="PORT", help="Port to listen on.", show_default="LABELLOOP_PORT"),
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave jobs to a `labelloop worker`.")] = False,
) -> None:
    """Run the backend that Label Studio talks to, until Ctrl-C.

    It pre-labels tasks, takes in what the experts did, and runs jobs such as trainings, each in a separate process.
    `labelloop connect` adds it to a project in Label Studio. Until somebody has signed in to the admin's page, this
    prints a link that lets the first admin in, once and within a day.
    """
    from ..config import load_settings
    from ..web.server import serve as serve_until_signalled

    settings = load_settings(host=host, port=port)
    note(f"labelloop serves {settings.backend.url} for Label Studio at {settings.studio.url}; Ctrl-C ends it")
    serve_until_signalled(settings, with_worker=not no_worker, note=note)


@app.command()
def worker() -> None:
    """Run jobs, such as trainings, until Ctrl-C.

    Needed only where `labelloop serve` runs with --no-worker, for instance on another machine. Several workers may run.
    """
    from ..bootstrap import configure_logging
    from ..config import load_settings
    from ..workflows.jobs.worker import Worker

    settings = load_settings()
    configure_logging(settings.log_level)
    services = open_services(settings)
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    note(f"a worker runs the jobs of {settings.home}; Ctrl-C ends it, and running jobs go on")
    Worker(services).run(stop)
