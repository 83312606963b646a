"""Jobs: work that outlives a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .progress import Progress

__all__ = ["GREATEST_JOB_ID", "PROJECT_LANE", "HeartbeatReply", "Job", "JobState"]

GREATEST_JOB_ID = 2**31 - 1
"""The largest number that an integer column of PostgreSQL holds."""
PROJECT_LANE = "project"
"""The lane of jobs that change what a project serves or shows: one of them runs at a time."""


class JobState(StrEnum):
    """queued -> running -> succeeded | failed | cancelled | abandoned (its processes ended without a report).

    A job whose process died is queued again, unless that happened too often. A failed or abandoned job is queued again
    when somebody resumes it, and automatically where the cause of the failure may be over by then.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"

    @property
    def is_over(self) -> bool:
        """True once the job will not change by itself any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)

    @property
    def is_resumable(self) -> bool:
        """True where somebody may ask for another attempt; what was cancelled is not wanted any more."""
        return self in (JobState.FAILED, JobState.ABANDONED)


class HeartbeatReply(StrEnum):
    """The answer to a sign of life: what a job's process is to do.

    LOST: the job is over, or another process has taken it up since; this one must not change anything any more.
    """

    CONTINUE = "continue"
    STOP = "stop"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table, which is the only record of a job's state.

    Attributes:
        kind: the name of a module in `workflows/jobs/kinds`.
        project_id: the project it works for; 0 for work on files.
        params: what was asked, JSON values only.
        result: what the job returned, JSON values only; empty until the end.
        progress: from 0 to 1.
        stage: what it is doing now, in a word or two.
        message: the latest news, ETA included, in a sentence.
        error: why it failed, None otherwise.
        attempt: 1 for the first process that worked on it; id and attempt together name what one process does.
        pid: id of that process, on the machine `host`.
        deaths: processes in a row that died before they left a new checkpoint.
        checkpoint: what is done already, JSON values only, for the next attempt to resume from.
        failure_is_passing: it failed because something was away or busy, so another attempt follows automatically.
    """

    id: int
    kind: str
    project_id: int
    state: JobState
    params: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    progress: float = 0.0
    stage: str = ""
    message: str = ""
    error: str | None = None
    attempt: int = 1
    pid: int | None = None
    host: str | None = None
    deaths: int = 0
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    cancel_requested: bool = False
    failure_is_passing: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def latest(self) -> Progress:
        """The progress that the job reported last."""
        return Progress(self.progress, self.stage, self.message)
