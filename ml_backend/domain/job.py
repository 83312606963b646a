"""Jobs: work that outlives a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["Job", "JobKind", "JobState"]


class JobKind(StrEnum):
    """What a job does."""

    TRAIN = "train"
    PRELABEL = "prelabel"
    PROMOTE = "promote"


class JobState(StrEnum):
    """queued -> running -> succeeded | failed | cancelled | abandoned (the process went away without a word)."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"

    @property
    def is_over(self) -> bool:
        """True once the job will not change any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table, which alone says how a job stands.

    Attributes:
        project_id: the project it works for; 0 for work on files.
        params: what was asked, JSON values only.
        result: what came of it, JSON values only; empty until the end.
        progress: from 0 to 1.
        stage: what it is doing now, in a word or two.
        message: the latest news, ETA included, in a sentence.
        error: why it failed, None otherwise.
        attempt: 1 for the first try.
        pid: process id of the child while it runs.
    """

    id: int
    kind: JobKind
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
    cancel_requested: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    finished_at: datetime | None = None
