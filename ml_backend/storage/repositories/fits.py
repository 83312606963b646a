"""How well the texts of tasks fit the labels: as the newest version sees it, and as it was when they came."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Float, Index, Table, case, func, select

from ...domain.fit import UNFIT_SHARE, TaskFit
from .base import Repository, String, StudioId, UtcDateTime, metadata
from .events import labeled_tasks

__all__ = ["FitRepository"]

fits = Table(
    "fits",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("task_id", StudioId, primary_key=True, autoincrement=False),
    Column("version", String(255), nullable=False),
    Column("fit", Float, nullable=False),
    Column("first_fit", Float, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Index("ix_fits_fit", "project_id", "fit"),
    # All that counting by week reads, so that the rows are left alone.
    Index("ix_fits_first", "project_id", "first_seen_at", "first_fit"),
)

WEEK = timedelta(days=7)
LONGEST_TRANSACTION = timedelta(minutes=10)
"""After so much time nothing appears any more that was seen before."""


class FitRepository(Repository):
    """One row per task that a version has compared with the texts that it knows. Rows stay when tasks are labeled."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        super().__init__(engine, clock)
        self._counted: dict[int, dict[datetime, tuple[int, int]]] = {}

    def put(self, project_id: int, version: str, found: Mapping[int, float]) -> None:
        """Keep what a version found, by task; of tasks seen before, when that was and what was found then stay.

        Args:
            found: p-values, see `fit`.
        """
        if not found:
            return
        own = {"project_id": project_id, "version": version, "first_seen_at": self._now()}
        rows = [own | {"task_id": task_id, "fit": fit, "first_fit": fit} for task_id, fit in found.items()]
        statement = self._insert(fits)
        fresh = {name: statement.excluded[name] for name in ("version", "fit")}
        self._write(statement.on_conflict_do_update(index_elements=["project_id", "task_id"], set_=fresh), rows)

    def unfit(self, project_id: int) -> Sequence[TaskFit]:
        """Return the tasks that fit no label, as the version that saw them last says; the ones of the least fit first.

        Labeled and deleted ones are among them.
        """
        columns = fits.c
        statement = (
            select(columns.task_id, columns.version, columns.fit)
            .where(columns.project_id == project_id, columns.fit <= UNFIT_SHARE)
            .order_by(columns.fit, columns.task_id)
        )
        return [TaskFit(row["task_id"], row["version"], row["fit"]) for row in self._rows(statement)]

    def unlabeled_count(self, project_id: int) -> int:
        """Return how many of the tasks of `unfit` nobody has labeled, by events."""
        statement = select(func.count()).where(
            fits.c.project_id == project_id,
            fits.c.fit <= UNFIT_SHARE,
            fits.c.task_id.not_in(labeled_tasks(project_id)),
        )
        return self._value(statement) or 0

    def count(self, project_id: int) -> int:
        """Return how many tasks were compared, ever."""
        return self._value(select(func.count()).where(fits.c.project_id == project_id)) or 0

    def first_by_week(self, project_id: int) -> Mapping[date, tuple[int, int]]:
        """Return by the Monday of each week, in UTC and in order, how many tasks were new, and how many of them fitted
        no label then; weeks without a new task are left out.

        Weeks that are over never change, and a project may have a million tasks, so their counts are kept.
        """
        first_seen_at: datetime | None = self._value(
            select(func.min(fits.c.first_seen_at)).where(fits.c.project_id == project_id)
        )
        if first_seen_at is None:
            return {}
        now, monday = self._now(), _monday(first_seen_at)
        counted = self._counted.setdefault(project_id, {})
        weeks = {}
        while monday <= now:
            end = monday + WEEK
            found = counted.get(monday) or self._first_between(project_id, monday, end)
            if end + LONGEST_TRANSACTION < now:
                counted[monday] = found
            if found[0]:
                weeks[monday.date()] = found
            monday = end
        return weeks

    def _first_between(self, project_id: int, start: datetime, end: datetime) -> tuple[int, int]:
        seen_at, is_unfit = fits.c.first_seen_at, fits.c.first_fit <= UNFIT_SHARE
        unfit = func.sum(case((is_unfit, 1), else_=0)).label("unfit")
        counts: list[ColumnElement[Any]] = [func.count().label("tasks"), unfit]
        statement = select(*counts).where(fits.c.project_id == project_id, seen_at >= start, seen_at < end)
        (row,) = self._rows(statement)
        return row["tasks"], int(row["unfit"] or 0)


def _monday(moment: datetime) -> datetime:
    start = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return start - timedelta(days=start.weekday())
