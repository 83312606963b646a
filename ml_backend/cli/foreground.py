"""A job in the foreground: run, shown and, on Ctrl-C, cancelled."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import DatabaseUnavailable, JobError
from .output import note, notes

if TYPE_CHECKING:
    from ..domain.job import Job
    from ..workflows.services import Services

__all__ = ["finish_in_foreground"]

POLL_S = 0.2
AWAY_S = 5.0


def finish_in_foreground(services: "Services", job: "Job", *, is_ours: bool) -> "Job":
    """The job once it has succeeded.

    Args:
        is_ours: it was claimed for this command, which starts its process, again where that dies, and cancels it on
            Ctrl-C. Else it runs elsewhere and is only watched.

    Raises:
        JobError: it failed, was cancelled or was abandoned.
    """
    from ..domain.job import JobState
    from ..workflows.recover import reap_dead
    from ..workflows.work import Worker

    # Where no worker ever runs, nobody else says so of jobs that died.
    reap_dead(services)
    worker = Worker(services)
    if is_ours:
        worker.start(job)
    else:
        note(f"job {job.id} is at it already; watching it (Ctrl-C stops the watching, not the job)")
    with _ProgressDisplay() as show:
        while not job.state.is_over:
            try:
                time.sleep(POLL_S)
            except KeyboardInterrupt:
                if not is_ours:
                    raise
                note(f"cancelling job {job.id}")
                services.database.jobs.cancel(job.id)
            try:
                worker.look_after_children()
                job = services.database.jobs.get(job.id)
                if is_ours and job.state is JobState.QUEUED and (again := services.database.jobs.claim(job.id)):
                    worker.start(again)
                show(job)
            except DatabaseUnavailable as error:
                if not error.is_passing:
                    raise
                note(f"job {job.id} goes on, unwatched for now: {error}")
                time.sleep(AWAY_S)
    if job.state is not JobState.SUCCEEDED:
        raise JobError(f"job {job.id} {_ENDINGS.get(job.state, job.state)}: {job.error}")
    return job


_ENDINGS = {"cancelled": "was cancelled", "abandoned": "was abandoned"}


class _ProgressDisplay:
    """A progress bar on a terminal; elsewhere a line per stage."""

    def __enter__(self) -> "Callable[[Job], None]":
        if not notes().is_terminal:
            self._stage = ""
            return self._line
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[news]}"),
        )
        self._bar: Progress | None = Progress(*columns, console=notes(), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("starting", total=1.0, news="")
        return self._advance

    def __exit__(self, *_: object) -> None:
        if notes().is_terminal and self._bar is not None:
            self._bar.stop()

    def _advance(self, job: "Job") -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=job.progress, description=job.stage, news=job.message)

    def _line(self, job: "Job") -> None:
        if job.stage != self._stage:
            self._stage = job.stage
            note(f"{job.progress:4.0%} {job.stage}{f': {job.message}' if job.message else ''}")
