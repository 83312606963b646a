"""`labelloop serve` and `labelloop worker`."""

import signal
import threading
from typing import Annotated

import typer

from .output import note

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(worker)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="LABELLOOP_HOST")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.", show_default="LABELLOOP_PORT")
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave jobs to `labelloop worker`.")] = False,
) -> None:
    """Serve the backend until Ctrl-C.

    A worker beside it runs jobs, each in a child process of its own.
    """
    from ..config import load_settings
    from ..web.server import serve as serve_until_signalled

    settings = load_settings(host=host, port=port)
    note(f"labelloop serves {settings.backend.url} for Label Studio at {settings.studio.url}; Ctrl-C ends it")
    serve_until_signalled(settings, with_worker=not no_worker)


def worker() -> None:
    """Run jobs until Ctrl-C.

    For backends started with --no-worker. Several workers may run.
    """
    from ..bootstrap import build_services, configure_logging
    from ..config import load_settings
    from ..workflows.jobs.worker import Worker

    settings = load_settings()
    configure_logging(settings.log_level)
    services = build_services(settings)
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    note(f"a worker runs the jobs of {settings.home}; Ctrl-C ends it, and running jobs go on")
    Worker(services).run(stop)
