"""How well the texts of tasks fit the labels: as the newest version sees it, and as it was when they came."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Float, Index, Table, func, select

from ...domain.fit import UNFIT_SHARE, FirstFit, TaskFit
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
)


class FitRepository(Repository):
    """One row per task that a version has compared with the texts that it knows. Rows stay when tasks are labeled."""

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

    def history(self, project_id: int) -> Sequence[FirstFit]:
        """Return all tasks as they were when they were first seen, in that order."""
        columns = fits.c
        statement = (
            select(columns.task_id, columns.first_fit, columns.first_seen_at)
            .where(columns.project_id == project_id)
            .order_by(columns.first_seen_at, columns.task_id)
        )
        return [FirstFit(row["task_id"], row["first_fit"], row["first_seen_at"]) for row in self._rows(statement)]
