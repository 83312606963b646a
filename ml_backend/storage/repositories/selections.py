"""Tasks that were chosen to be labeled next, while they stand on the list and ever after."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, Float, Index, Integer, Table, TextClause, func, select, text, update

from ...batches import in_batches
from ...domain.example import SelectedBy
from ...domain.selection import SelectedTask
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["SelectionRepository"]

selections = Table(
    "selections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("task_id", StudioId, nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("priority", Float, nullable=False),
    Column("selected_by", String(16), nullable=False),
    Column("selected_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    # A task stands on the list once; the webhook asks for it with every event.
    Index(
        "uq_selections_listed",
        "project_id",
        "task_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

IDS_AT_ONCE = 500
IS_LISTED: TextClause = text("ended_at IS NULL")
"""Spelled out, because databases do not match a bound value with the condition of the index."""


class SelectionRepository(Repository):
    """At most one list per project; what left it stays for ever."""

    def put(self, project_id: int, tasks: Sequence[SelectedTask]) -> None:
        """Put tasks on the list; one that stands there gets what is said of it now, and keeps its time."""
        if not tasks:
            return
        now = self._now()
        fields = ("strategy", "reason", "priority", "selected_by")
        rows = [
            {name: getattr(task, name) for name in ("task_id", *fields)}
            | {"project_id": project_id, "selected_at": now}
            for task in tasks
        ]
        statement = self._insert(selections)
        fresh = {name: statement.excluded[name] for name in fields}
        self._write(
            statement.on_conflict_do_update(
                index_elements=["project_id", "task_id"], index_where=IS_LISTED, set_=fresh
            ),
            rows,
        )

    def end(self, project_id: int, task_ids: Collection[int]) -> None:
        """Take tasks off the list."""
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            self._write(
                update(selections)
                .where(selections.c.project_id == project_id, IS_LISTED, selections.c.task_id.in_(batch))
                .values(ended_at=self._now())
            )

    def listed(self, project_id: int) -> Sequence[SelectedTask]:
        """Return the tasks on the list, the first one first."""
        statement = (
            select(selections)
            .where(selections.c.project_id == project_id, IS_LISTED)
            .order_by(selections.c.priority.desc(), selections.c.id)
        )
        return [
            SelectedTask(
                row["task_id"], row["strategy"], row["reason"], row["priority"], SelectedBy(row["selected_by"])
            )
            for row in self._rows(statement)
        ]

    def ways(self, project_id: int, task_ids: Collection[int]) -> Mapping[int, SelectedBy]:
        """Return how those of the tasks that stand on the list came there; an index answers it."""
        ways: dict[int, SelectedBy] = {}
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            statement = select(selections.c.task_id, selections.c.selected_by).where(
                selections.c.project_id == project_id, IS_LISTED, selections.c.task_id.in_(batch)
            )
            ways |= {row["task_id"]: SelectedBy(row["selected_by"]) for row in self._rows(statement)}
        return ways

    def strategies(self, project_id: int) -> Mapping[int, str]:
        """Return the strategy that chose a task last, by task, of all tasks that ever stood on the list."""
        statement = (
            select(selections.c.task_id, selections.c.strategy)
            .where(selections.c.project_id == project_id)
            .order_by(selections.c.id)
        )
        return {row["task_id"]: row["strategy"] for row in self._rows(statement)}

    def listed_since(self, project_id: int) -> datetime | None:
        """Return when the newest task was put on the list; None where there is no list."""
        statement = select(func.max(selections.c.selected_at)).where(selections.c.project_id == project_id, IS_LISTED)
        return self._value(statement)
