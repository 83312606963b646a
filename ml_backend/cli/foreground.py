"""Run a job in the foreground: show its progress, and cancel it when a signal comes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..domain.progress import Progress, ProgressCallback
from ..errors import DatabaseUnavailable, Interrupted, JobError
from ..jobs.signals import noted_signals
from .output import note, notes

if TYPE_CHECKING:
    from ..domain.job import Job
    from ..workflows.jobs.kinds.base import JobKind
    from ..workflows.services import Services

__all__ = ["ProgressDisplay", "claimed", "run_in_foreground"]

POLL_S = 0.2
AWAY_S = 5.0


def claimed(services: "Services", project_id: int, wanted: "JobKind") -> "Callable[[], tuple[Job, bool]]":
    """Return a claim for `run_in_foreground`: of a new job, or of an equal one that waits for a worker."""
    from ..domain.job import JobState

    def claim() -> "tuple[Job, bool]":
        job, is_new = wanted.request(services, project_id, claim=True)
        if not is_new and job.state is JobState.QUEUED and (taken := services.database.jobs.claim(job.id)):
            # No worker may be running.
            return taken, True
        return job, is_new

    return claim


def run_in_foreground(services: "Services", claim: "Callable[[], tuple[Job, bool]]") -> "Job":
    """Wait for a job and return it once it has succeeded.

    Args:
        claim: returns the job, and whether it was claimed for this command. If so, the command starts the job's
            process, starts it again where it dies, and cancels it at a signal. Otherwise the job runs elsewhere and is
            only watched.

    Raises:
        JobError: it failed, was cancelled or was abandoned.
        Interrupted: a signal cancelled it, or ended the watching.
    """
    from ..domain.job import JobState
    from ..workflows.jobs.recovery import JobRecovery

    # Where no worker ever runs, nobody else says so of jobs that died.
    JobRecovery(services).recover_dead()
    with noted_signals() as signals:
        job, is_ours = claim()
        job = (_run if is_ours else _watch)(services, job, signals)
    if job.state is JobState.SUCCEEDED:
        return job
    ended = f"job {job.id} {_ENDINGS.get(job.state, job.state)}{f': {job.error}' if job.error else ''}"
    if not signals:
        raise JobError(ended)
    note(ended)
    raise Interrupted(signals[0])


def _run(services: "Services", job: "Job", signals: list[int]) -> "Job":
    """Run the job to its end and return it."""
    from ..domain.job import JobState
    from ..workflows.jobs.worker import Worker

    worker = Worker(services, binds_jobs=True)
    worker.start(job)
    with ProgressDisplay() as show:
        while not job.state.is_over:
            time.sleep(POLL_S)
            with _bearing_absence(job):
                if signals and not job.cancel_requested:
                    note(f"cancelling job {job.id}; another signal does not wait for its end")
                    services.database.jobs.cancel(job.id)
                worker.look_after_children()
                job = services.database.jobs.get(job.id)
                if job.state is JobState.QUEUED and (again := services.database.jobs.claim(job.id)):
                    worker.start(again)
                show(job.latest)
    return job


def _watch(services: "Services", job: "Job", signals: list[int]) -> "Job":
    """Return the job once it is over or a signal comes."""
    note(f"job {job.id} is running already; watching it (Ctrl-C stops the watching, not the job)")
    with ProgressDisplay() as show:
        while not (job.state.is_over or signals):
            time.sleep(POLL_S)
            with _bearing_absence(job):
                job = services.database.jobs.get(job.id)
                show(job.latest)
    return job


@contextmanager
def _bearing_absence(job: "Job") -> Iterator[None]:
    """Ignore a database that is unavailable for now: the next call does what this block could not do."""
    try:
        yield
    except DatabaseUnavailable as error:
        if not error.is_passing:
            raise
        note(f"job {job.id} goes on, unwatched for now: {error}")
        time.sleep(AWAY_S)


_ENDINGS = {"running": "goes on", "queued": "goes on", "cancelled": "was cancelled", "abandoned": "was abandoned"}


class ProgressDisplay:
    """A progress bar on a terminal; elsewhere a line per stage."""

    def __enter__(self) -> ProgressCallback:
        if not notes().is_terminal:
            self._stage = ""
            return self._line
        from rich import progress as rich_progress

        columns = (
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.TaskProgressColumn(),
            rich_progress.TextColumn("{task.fields[news]}"),
        )
        self._bar = rich_progress.Progress(*columns, console=notes(), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("starting", total=1.0, news="")
        return self._advance

    def __exit__(self, *_: object) -> None:
        if notes().is_terminal:
            self._bar.stop()

    def _advance(self, progress: Progress) -> None:
        self._bar.update(self._task, completed=progress.fraction, description=progress.stage, news=progress.message)

    def _line(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage = progress.stage
            note(f"{progress.fraction:4.0%} {progress.stage}{f': {progress.message}' if progress.message else ''}")
