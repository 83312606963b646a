"""Jobs: the row is the truth about each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.job import Job, JobKind, JobState
from ...errors import JobError, JobNotFound
from ..tables import jobs
from .base import Repository

__all__ = ["JobRepository"]

ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class JobRepository(Repository):
    """Every change of state is one UPDATE that names the state it leaves, so that two processes cannot both win."""

    def request(
        self, kind: JobKind, project_id: int, params: Mapping[str, Any], *, dedupe_key: str, claim: bool = False
    ) -> tuple[Job, bool]:
        """A job for this work: a new one, or the one that is queued or running under the same key.

        Args:
            claim: start it as running, for a caller that runs it itself; a worker will then leave it alone.

        Returns:
            The job, and True where it is new.

        Raises:
            JobError: `claim`, and another kind of job is running in the project.
        """
        now = self._now()
        values = {
            "kind": kind,
            "project_id": project_id,
            "dedupe_key": dedupe_key,
            "state": JobState.RUNNING if claim else JobState.QUEUED,
            "params": dict(params),
            "result": {},
            "progress": 0.0,
            "stage": "starting" if claim else "waiting",
            "message": "",
            "attempt": 1,
            "cancel_requested": False,
            "created_at": now,
        }
        if claim:
            values |= {"started_at": now, "heartbeat_at": now}
        while True:
            try:
                with self._engine.begin() as connection:
                    job_id = connection.execute(insert(jobs).values(**values).returning(jobs.c.id)).scalar_one()
                return self.get(job_id), True
            except IntegrityError:
                active = self._active(jobs.c.dedupe_key == dedupe_key)
                if active is not None:
                    return active, False
                other = self._active(jobs.c.project_id == project_id) if claim and project_id else None
                if other is not None:
                    raise JobError(
                        f"project {project_id} is busy with job {other.id} ({other.kind}, {other.stage}); "
                        "wait for it or cancel it, then try again"
                    ) from None
                # It ended between the insert and the look: try again.

    def get(self, job_id: int) -> Job:
        """The job.

        Raises:
            JobNotFound: there is none with this id.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
        if row is None:
            raise JobNotFound(f"there is no job {job_id}; `labelloop jobs list` shows those there are")
        return _job(row)

    def newest(self, *, project_id: int | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        statement = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
        if project_id is not None:
            statement = statement.where(jobs.c.project_id == project_id)
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(statement).mappings()]

    def running(self) -> list[Job]:
        """All running jobs."""
        with self._engine.connect() as connection:
            found = connection.execute(select(jobs).where(jobs.c.state == JobState.RUNNING)).mappings()
            return [_job(row) for row in found]

    def last(self, kind: JobKind, project_id: int, state: JobState | None = None) -> Job | None:
        """The newest job of a kind, in a state if one is given."""
        conditions = [jobs.c.kind == kind, jobs.c.project_id == project_id]
        if state is not None:
            conditions.append(jobs.c.state == state)
        statement = select(jobs).where(and_(*conditions)).order_by(jobs.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(statement).mappings().first()
        return _job(row) if row else None

    def counts(self) -> Mapping[JobState, int]:
        """Jobs per state."""
        statement = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        with self._engine.connect() as connection:
            found = {JobState(state): count for state, count in connection.execute(statement)}
        return {state: found.get(state, 0) for state in JobState}

    def claim(self) -> Job | None:
        """The oldest queued job whose project has no running one, now running; None where there is none."""
        other = jobs.alias()
        busy = exists().where(
            other.c.state == JobState.RUNNING, other.c.project_id == jobs.c.project_id, other.c.project_id != 0
        )
        free = select(jobs.c.id).where(jobs.c.state == JobState.QUEUED, ~busy).order_by(jobs.c.id).limit(1)
        now = self._now()
        with self._engine.connect() as connection:
            job_id = connection.execute(free).scalar()
        if job_id is None:
            return None
        try:
            won = self._update(
                and_(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED),
                state=JobState.RUNNING,
                stage="starting",
                started_at=now,
                heartbeat_at=now,
            )
        except IntegrityError:
            return None  # another worker started a job of this project at the same moment
        return self.get(job_id) if won else None

    def started(self, job_id: int, pid: int) -> None:
        """Remember the process that runs the job."""
        self._update(jobs.c.id == job_id, pid=pid)

    def beat(self, job_id: int) -> bool:
        """A sign of life; True where somebody asked the job to stop."""
        self._update(and_(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING), heartbeat_at=self._now())
        return self.get(job_id).cancel_requested

    def progress(self, job_id: int, fraction: float, stage: str, message: str) -> None:
        """How far a running job is."""
        self._update(
            and_(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING),
            progress=min(max(fraction, 0.0), 1.0),
            stage=stage,
            message=message,
            heartbeat_at=self._now(),
        )

    def finish(
        self, job_id: int, state: JobState, *, result: Mapping[str, Any] | None = None, error: str | None = None
    ) -> bool:
        """End a running job; False where it was over already."""
        values: dict[str, Any] = {"state": state, "error": error, "finished_at": self._now()}
        if result is not None:
            values["result"] = dict(result)
        if state is JobState.SUCCEEDED:
            values |= {"progress": 1.0, "stage": "done"}
        return self._update(and_(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING), **values)

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
        """Running jobs without a sign of life for this many seconds."""
        limit: datetime = self._now() - timedelta(seconds=timeout_s)
        condition = and_(
            jobs.c.state == JobState.RUNNING, or_(jobs.c.heartbeat_at.is_(None), jobs.c.heartbeat_at < limit)
        )
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(select(jobs).where(condition)).mappings()]

    def _active(self, condition: ColumnElement[bool]) -> Job | None:
        statement = select(jobs).where(condition, jobs.c.state.in_(ACTIVE)).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(statement).mappings().first()
        return _job(row) if row else None

    def _update(self, condition: ColumnElement[bool], **values: Any) -> bool:
        with self._engine.begin() as connection:
            return _changed(connection, condition, values)


def _changed(connection: Connection, condition: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
    return connection.execute(update(jobs).where(condition).values(**values)).rowcount > 0


def _job(row: RowMapping) -> Job:
    values = {name: row[name] for name in row if name != "dedupe_key"}
    return Job(**values | {"kind": JobKind(row["kind"]), "state": JobState(row["state"])})
