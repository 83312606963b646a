"""Store hints: claims of events about projects that Label Studio's API has not confirmed yet."""

from datetime import datetime

from sqlalchemy import (
    Column,
    Table,
    delete,
    select,
)

from ...domain.event import HintKind
from .base import Repository, String, StudioId, UtcDateTime, metadata

__all__ = ["HintRepository"]

hints = Table(
    "hints",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
)


class HintRepository(Repository):
    """Stores hints, one row per kind and project, however often events claimed it."""

    def put(self, project_id: int, kind: HintKind) -> None:
        """Store a hint of this kind."""
        statement = self._insert(hints).values(project_id=project_id, kind=kind, told_at=self._now())
        fresh = {"told_at": statement.excluded.told_at}
        self._write(statement.on_conflict_do_update(index_elements=["project_id", "kind"], set_=fresh))

    def find(self, project_id: int, kind: HintKind) -> datetime | None:
        """Return the time of the last event that claimed it; None where none did."""
        return self._value(select(hints.c.told_at).where(hints.c.project_id == project_id, hints.c.kind == kind))

    def settle(self, project_id: int, kind: HintKind, claimed_at: datetime) -> None:
        """Delete a hint about which Label Studio was asked, unless an event has repeated it since `claimed_at`."""
        is_it = (hints.c.project_id == project_id) & (hints.c.kind == kind)
        self._write(delete(hints).where(is_it, hints.c.told_at == claimed_at))
