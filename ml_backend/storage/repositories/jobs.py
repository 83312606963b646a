"""Jobs: the row is the truth about each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Float,
    FromClause,
    Index,
    Integer,
    RowMapping,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...domain.job import HeartbeatReply, Job, JobState
from ...errors import JobError, JobNotFound
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["JobRepository"]

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("lane", String(32), nullable=False, server_default="project"),
    Column("project_id", StudioId, nullable=False),
    Column("dedupe_key", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("params", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("progress", Float, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("error", Text),
    Column("attempt", Integer, nullable=False),
    Column("pid", Integer),
    Column("host", String(255)),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("checkpoint", JSON, nullable=False, server_default="{}"),
    Column("cancel_requested", Boolean, nullable=False),
    Column("failure_is_passing", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    # Simultaneous triggers make one job: the second insert fails and finds the first.
    Index(
        "uq_jobs_active",
        "dedupe_key",
        unique=True,
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
    # One running job in each lane of a project; work on files (project 0) is free.
    Index(
        "uq_jobs_running",
        "project_id",
        "lane",
        unique=True,
        sqlite_where=text("state = 'running' AND project_id <> 0"),
        postgresql_where=text("state = 'running' AND project_id <> 0"),
    ),
)

ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class JobRepository(Repository):
    """The rows of jobs.

    Every change of state is one UPDATE that names the state it leaves, so that two processes cannot both win.

    Methods that take a `Job` act for the attempt that the value names: once another process has taken the job up,
    they change nothing.
    """

    ORDERS: ClassVar = ("id", "kind", "state", "project_id", "progress", "created_at", "finished_at")
    """Columns that jobs can be shown in the order of."""

    def request(
        self,
        kind: str,
        project_id: int,
        params: Mapping[str, Any],
        *,
        dedupe_key: str,
        lane: str = Job.PROJECT_LANE,
        claim: bool = False,
    ) -> tuple[Job, bool]:
        """Return a job for this work: a new one, or the one that is queued or running under the same key.

        Args:
            lane: of the project's jobs in the same lane, one runs at a time.
            claim: start it as running, for a caller that runs it itself; a worker will then leave it alone.

        Returns:
            The job, and True where it is new.

        Raises:
            JobError: `claim`, and another job is running in the same lane of the project.
        """
        values = {
            "kind": kind,
            "lane": lane,
            "project_id": project_id,
            "dedupe_key": dedupe_key,
            "state": JobState.QUEUED,
            "params": dict(params),
            "result": {},
            "progress": 0.0,
            "stage": "waiting",
            "message": "",
            "attempt": 1,
            "cancel_requested": False,
            "created_at": self._now(),
        }
        if claim:
            values |= self._running()
        while True:
            try:
                with self._engine.begin() as connection:
                    job_id = connection.execute(insert(jobs).values(**values).returning(jobs.c.id)).scalar_one()
                return self.get(job_id), True
            except IntegrityError:
                active = self._active(jobs.c.dedupe_key == dedupe_key)
                if active is not None:
                    return active, False
                other = self._active(_rivals(jobs, project_id, lane)) if claim and project_id else None
                if other is not None:
                    raise JobError(
                        f"project {project_id} is busy with job {other.id} ({other.kind}, {other.stage}); "
                        "wait for it or cancel it, then try again"
                    ) from None
                # It ended between the insert and the look: try again.

    def get(self, job_id: int) -> Job:
        """Return the job.

        Raises:
            JobNotFound: there is none with this id.
        """
        job = self._first(select(jobs).where(jobs.c.id == job_id))
        if job is None:
            raise JobNotFound(f"there is no job {job_id}; `labelloop jobs list` shows those there are")
        return job

    def newest(self, *, project_id: int | None = None, limit: int = 50) -> list[Job]:
        """Return the newest jobs, newest first."""
        return self.page(project_id=project_id, limit=limit)

    def page(
        self,
        *,
        project_id: int | None = None,
        kind: str = "",
        state: JobState | None = None,
        order: str = "id",
        is_descending: bool = True,
        limit: int,
        offset: int = 0,
    ) -> list[Job]:
        """Return jobs in an order, by one of `ORDERS`; those that are equal in it, newest first."""
        column = jobs.c[order]
        statement = _filtered(select(jobs), project_id, kind, state).limit(limit).offset(offset)
        first = column.desc().nulls_last() if is_descending else column.asc().nulls_last()
        return self._jobs(statement.order_by(first, jobs.c.id.desc()))

    def count(self, *, project_id: int | None = None, kind: str = "", state: JobState | None = None) -> int:
        """Return how many jobs `page` has to show in all."""
        return self._value(_filtered(select(func.count()).select_from(jobs), project_id, kind, state)) or 0

    def running(self) -> list[Job]:
        """Return all running jobs."""
        return self._jobs(select(jobs).where(jobs.c.state == JobState.RUNNING))

    def last(self, kind: str, project_id: int, state: JobState | None = None) -> Job | None:
        """Return the newest job of a kind; with a state, the newest in that state."""
        statement = select(jobs).where(jobs.c.kind == kind, jobs.c.project_id == project_id)
        if state is not None:
            statement = statement.where(jobs.c.state == state)
        return self._first(statement.order_by(jobs.c.id.desc()))

    def counts(self) -> Mapping[JobState, int]:
        """Return the number of jobs per state."""
        statement = select(jobs.c.state, func.count().label("jobs")).group_by(jobs.c.state)
        counts = {JobState(row["state"]): row["jobs"] for row in self._rows(statement)}
        return {state: counts.get(state, 0) for state in JobState}

    def claim(self, job_id: int | None = None) -> Job | None:
        """Start the oldest queued job that may run now, and return it; None where there is none.

        In each of its lanes, a project has one running job at a time.

        Args:
            job_id: take this one or none.
        """
        other = jobs.alias()
        busy = exists().where(other.c.project_id != 0, _rivals(other, jobs.c.project_id, jobs.c.lane))
        free = select(jobs.c.id).where(jobs.c.state == JobState.QUEUED, ~busy).order_by(jobs.c.id).limit(1)
        if job_id is not None:
            free = free.where(jobs.c.id == job_id)
        free_id = self._value(free)
        if free_id is None:
            return None
        try:
            won = self._update(and_(jobs.c.id == free_id, jobs.c.state == JobState.QUEUED), **self._running())
        except IntegrityError:
            return None  # another worker started a job of this project at the same moment
        return self.get(free_id) if won else None

    def started(self, job: Job, pid: int, host: str) -> None:
        """Record the process that runs the job."""
        self._update(_attempt(job), pid=pid, host=host)

    def beat(self, job: Job) -> HeartbeatReply:
        """Record a sign of life of the process that runs the job; return what it should do."""
        if not self._update(_attempt(job), heartbeat_at=self._now()):
            return HeartbeatReply.LOST
        return HeartbeatReply.STOP if self.get(job.id).cancel_requested else HeartbeatReply.CONTINUE

    def progress(self, job: Job, fraction: float, stage: str, message: str) -> None:
        """Record the progress of a running job."""
        self._update(
            _attempt(job),
            progress=min(max(fraction, 0.0), 1.0),
            stage=stage,
            message=message,
            heartbeat_at=self._now(),
        )

    def keep(self, job: Job, checkpoint: Mapping[str, Any]) -> bool:
        """Record what is done, for the next attempt; return False where another process works on the job by now."""
        return self._update(_attempt(job), checkpoint=dict(checkpoint), deaths=0, heartbeat_at=self._now())

    def finish(
        self,
        job: Job,
        state: JobState,
        *,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
        is_passing: bool = False,
    ) -> bool:
        """End a running job; return False where it was over already, or another process works on it by now.

        Args:
            is_passing: the job failed for a reason that may pass without help.
        """
        values: dict[str, Any] = {
            "state": state,
            "error": error,
            "failure_is_passing": is_passing,
            "finished_at": self._now(),
        }
        if result is not None:
            values["result"] = dict(result)
        if state is JobState.SUCCEEDED:
            values |= {"progress": 1.0, "stage": "done"}
        return self._update(_attempt(job), **values)

    def requeue(self, job: Job, reason: str) -> bool:
        """Queue a running job again, whose process died; return False where that process was not the last one."""
        return self._update(_attempt(job), **_waiting(job, f"goes on by itself: {reason}"), deaths=job.deaths + 1)

    def resume(self, job_id: int, *, claim: bool = False) -> Job:
        """Start another attempt at a job that failed or was abandoned, from what the last attempt left.

        Args:
            claim: start it as running, for a caller that runs it itself.

        Raises:
            JobError: it is in another state, or another job is at the same work, or (with `claim`) runs in its project.
        """
        job = self.get(job_id)
        values = _waiting(job, "resumed") | (self._running() if claim else {})
        fresh = {
            "deaths": 0,
            "cancel_requested": False,
            "failure_is_passing": False,
            "error": None,
            "finished_at": None,
        }
        resumable = [state for state in JobState if state.is_resumable]
        try:
            won = self._update(
                and_(jobs.c.id == job_id, jobs.c.attempt == job.attempt, jobs.c.state.in_(resumable)), **values, **fresh
            )
        except IntegrityError:
            raise JobError(
                f"job {job_id} cannot go on beside another job of project {job.project_id}, which waits or runs; "
                "wait for that one, or cancel it"
            ) from None
        job = self.get(job_id)
        if not won:
            raise JobError(f"job {job_id} is {job.state}; only a job that {' or was '.join(resumable)} can be resumed")
        return job

    def cancel(self, job_id: int) -> Job:
        """Cancel a queued job at once; ask a running one to stop. Over already: nothing changes."""
        now = self._now()
        self._update(
            and_(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED),
            state=JobState.CANCELLED,
            cancel_requested=True,
            finished_at=now,
            error="cancelled before it started",
        )
        self._update(and_(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING), cancel_requested=True)
        return self.get(job_id)

    def stale(self, timeout_s: float) -> list[Job]:
        """Return running jobs without a sign of life for this many seconds."""
        limit: datetime = self._now() - timedelta(seconds=timeout_s)
        condition = and_(
            jobs.c.state == JobState.RUNNING, or_(jobs.c.heartbeat_at.is_(None), jobs.c.heartbeat_at < limit)
        )
        return self._jobs(select(jobs).where(condition))

    def failed_in_passing(self) -> list[Job]:
        """Return jobs that failed for a reason that may be over by now, and that nobody has requested again since."""
        later = jobs.alias()
        asked_anew = exists().where(later.c.dedupe_key == jobs.c.dedupe_key, later.c.id > jobs.c.id)
        statement = select(jobs).where(
            jobs.c.state == JobState.FAILED, jobs.c.failure_is_passing.is_(True), ~asked_anew
        )
        return self._jobs(statement.order_by(jobs.c.id))

    def _running(self) -> dict[str, Any]:
        now = self._now()
        return {"state": JobState.RUNNING, "stage": "starting", "started_at": now, "heartbeat_at": now}

    def _active(self, condition: ColumnElement[bool]) -> Job | None:
        return self._first(select(jobs).where(condition, jobs.c.state.in_(ACTIVE)))

    def _first(self, statement: Select[Any]) -> Job | None:
        return next(iter(self._jobs(statement.limit(1))), None)

    def _jobs(self, statement: Select[Any]) -> list[Job]:
        return [_job(row) for row in self._rows(statement)]

    def _update(self, condition: ColumnElement[bool], **values: Any) -> bool:
        """Change the jobs for which the condition is true; return False where there is none."""
        with self._engine.begin() as connection:
            return connection.execute(update(jobs).where(condition).values(**values)).rowcount > 0


def _filtered(statement: Select[Any], project_id: int | None, kind: str, state: JobState | None) -> Select[Any]:
    if project_id is not None:
        statement = statement.where(jobs.c.project_id == project_id)
    if kind:
        statement = statement.where(jobs.c.kind == kind)
    return statement if state is None else statement.where(jobs.c.state == state)


def _attempt(job: Job) -> ColumnElement[bool]:
    """True of the job for as long as nobody else has taken it up, and it is not over."""
    return and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.state == JobState.RUNNING)


def _rivals(
    table: FromClause, project_id: ColumnElement[int] | int, lane: ColumnElement[str] | str
) -> ColumnElement[bool]:
    """True of running jobs beside which no other job of the project may run in the lane."""
    return and_(table.c.state == JobState.RUNNING, table.c.project_id == project_id, table.c.lane == lane)


def _waiting(job: Job, message: str) -> dict[str, Any]:
    """Values of a job that waits for its next attempt."""
    return {
        "state": JobState.QUEUED,
        "attempt": job.attempt + 1,
        "stage": "waiting",
        "message": message,
        "pid": None,
        "host": None,
        "heartbeat_at": None,
    }


def _job(row: RowMapping) -> Job:
    values = {name: row[name] for name in row if name not in ("dedupe_key", "lane")}
    return Job(**values | {"state": JobState(row["state"])})
