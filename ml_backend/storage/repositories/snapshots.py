"""Store which snapshots a project has had; their files say what is in them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Table,
    func,
    select,
)

from .base import Repository, String, StudioId, UtcDateTime, metadata

__all__ = ["SnapshotRepository"]

snapshots = Table(
    "snapshots",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("id", String(64), primary_key=True),
    # The newest event, and the time, when the reading of the rows began: later events and changes count as new.
    Column("last_event_id", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A snapshot's id, with the time when the reading of its rows began and the newest event at that time."""

    id: str
    last_event_id: int
    read_at: datetime


class SnapshotRepository(Repository):
    """An index over the snapshots on disk."""

    def add(self, project_id: int, snapshot_id: str, last_event_id: int, read_at: datetime | None = None) -> None:
        """Record a snapshot. An existing one gets the newer event and time.

        Args:
            read_at: when the reading of its rows began; None: now.
        """
        statement = self._insert(snapshots).values(
            project_id=project_id, id=snapshot_id, last_event_id=last_event_id, created_at=read_at or self._now()
        )
        fresh = {"last_event_id": last_event_id, "created_at": statement.excluded.created_at}
        self._write(statement.on_conflict_do_update(index_elements=["project_id", "id"], set_=fresh))

    def find(self, project_id: int, snapshot_id: str) -> SnapshotRecord | None:
        """Return one of the project's snapshots; None where it has had none of this id."""
        return self._newest(snapshots.c.project_id == project_id, snapshots.c.id == snapshot_id)

    def count(self, project_id: int) -> int:
        """Return how many snapshots the project has had."""
        return self._value(select(func.count()).where(snapshots.c.project_id == project_id)) or 0

    def page(self, project_id: int, *, limit: int, offset: int = 0) -> list[SnapshotRecord]:
        """Return some of the project's snapshots, the newest first."""
        return self._found(snapshots.c.project_id == project_id, limit=limit, offset=offset)

    def last(self, project_id: int) -> SnapshotRecord | None:
        """Return the project's newest snapshot."""
        return self._newest(snapshots.c.project_id == project_id)

    def _newest(self, *conditions: ColumnElement[bool]) -> SnapshotRecord | None:
        return next(iter(self._found(*conditions, limit=1)), None)

    def _found(self, *conditions: ColumnElement[bool], limit: int, offset: int = 0) -> list[SnapshotRecord]:
        statement = (
            select(snapshots.c.id, snapshots.c.last_event_id, snapshots.c.created_at.label("read_at"))
            .where(*conditions)
            .order_by(snapshots.c.created_at.desc(), snapshots.c.last_event_id.desc())
            .limit(limit)
            .offset(offset)
        )
        return [SnapshotRecord(**row) for row in self._rows(statement)]
