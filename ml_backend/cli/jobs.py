"""`labelloop jobs`, and the hidden `labelloop job run` that a worker starts."""

import os
import signal
import time
from functools import partial
from typing import Annotated

import typer

from ..domain.job import Job
from .app import app
from .options import AsJson, JobId, OptionalProject
from .output import emit, note, table
from .session import open_services

__all__: list[str] = []

FOLLOW_S = 0.5

_jobs = typer.Typer(help="List, inspect, cancel and resume jobs, such as trainings.", no_args_is_help=True)
app.add_typer(_jobs, name="jobs")
_child = typer.Typer(help="What a worker starts.")
app.add_typer(_child, name="job", hidden=True)


@_jobs.command("list")
def list_jobs(
    project: OptionalProject = None,
    limit: Annotated[int, typer.Option(min=1, max=Job.GREATEST_ID, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    jobs = open_services().database.jobs.newest(project_id=project, limit=limit)
    rows = [
        (
            job.id,
            job.kind,
            job.project_id or "file",
            job.state,
            f"{job.progress:.0%}",
            job.stage,
            (job.error or "").split("; ", maxsplit=1)[0],
        )
        for job in jobs
    ]
    emit(jobs, as_json=as_json, lines=[table(("job", "kind", "project", "state", "done", "stage", "error"), rows)])


@_jobs.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show everything about a job."""
    job = open_services().database.jobs.get(job_id)
    facts = [
        ("job", job.id),
        ("kind", job.kind),
        ("project", job.project_id or "file"),
        ("state", job.state),
        ("progress", f"{job.progress:.0%} {job.stage} {job.message}".rstrip()),
        ("asked", dict(job.params)),
        ("result", dict(job.result) or None),
        ("error", job.error),
        ("attempt", job.attempt),
        ("process", f"{job.pid} on {job.host}" if job.pid else None),
        ("created", job.created_at),
        ("started", job.started_at),
        ("last sign of life", job.heartbeat_at),
        ("finished", job.finished_at),
    ]
    emit(job, as_json=as_json, lines=[table(("", ""), facts)])


@_jobs.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a waiting job at once; ask a running one to stop."""
    job = open_services().database.jobs.cancel(job_id)
    emit(job, as_json=as_json, lines=[_cancelled(job)])


@_jobs.command()
def resume(job_id: JobId, as_json: AsJson = False) -> None:
    """Continue a job that failed or was abandoned.

    What it had finished is not done again: of a training, everything up to the last checkpoint. Runs here and shows
    progress; Ctrl-C cancels.
    """
    from .foreground import run_in_foreground

    services = open_services()
    job = run_in_foreground(services, lambda: (services.database.jobs.resume(job_id, claim=True), True))
    emit(job, as_json=as_json, lines=[f"job {job.id} has succeeded: {dict(job.result)}"])


@_jobs.command()
def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until the job is over.")] = False,
) -> None:
    """Print the log of a job."""
    from ..jobs.launcher import log_path

    services = open_services()
    job = services.database.jobs.get(job_id)
    path = log_path(services.options.home, job_id)
    if not path.exists():
        note(f"job {job_id} ({job.state}) has printed nothing, or ran on another machine: {path} is not there")
    position = 0
    while True:
        is_over = services.database.jobs.get(job_id).state.is_over
        if path.exists():
            with path.open("rb") as stream:
                stream.seek(position)
                typer.echo(stream.read().decode(errors="replace"), nl=False)
                position = stream.tell()
        if is_over or not follow:
            return
        time.sleep(FOLLOW_S)


@_child.command("run")
def run(
    job_id: JobId,
    ends_with_launcher: Annotated[
        bool, typer.Option("--ends-with-launcher", help="Kill it where the other end of its standard input is closed.")
    ] = False,
) -> None:
    """Run a job that was claimed, in this process. Workers call this."""
    from ..bootstrap import configure_logging
    from ..config import load_settings
    from ..domain.job import JobState
    from ..jobs.signals import call_at_the_commands_end, interrupt
    from ..workflows.jobs.retries import with_retries
    from ..workflows.jobs.run_job import run_job

    settings = load_settings()
    configure_logging(settings.log_level)
    # The database may have gone away since the job was claimed.
    services = with_retries(partial(open_services, settings), settings.jobs.patience_s, lambda s, _: time.sleep(s))
    if ends_with_launcher:
        call_at_the_commands_end(lambda: os.killpg(0, signal.SIGKILL))
    else:
        call_at_the_commands_end(lambda: services.database.jobs.cancel(job_id))
    if run_job(services, job_id, interrupt) is not JobState.SUCCEEDED:
        raise typer.Exit(1)


def _cancelled(job: "Job") -> str:
    if job.state.is_over:
        return f"job {job.id} is {job.state}"
    return f"job {job.id} was asked to stop; it stops within seconds"
