"""Which label sources people have switched off, or on again."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Table, select

from .base import Repository, String, StudioId, UtcDateTime, metadata

__all__ = ["SourceSwitchRepository"]

source_switches = Table(
    "source_switches",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("source", String(255), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("switched_at", UtcDateTime, nullable=False),
)


class SourceSwitchRepository(Repository):
    """One row per source that somebody has ever switched in a project: how it is now, who did that, and when."""

    def put(self, project_id: int, source: str, *, is_on: bool, actor: str) -> None:
        """Switch a source of a project."""
        values = {"is_on": is_on, "actor": actor, "switched_at": self._now()}
        statement = self._insert(source_switches).values(project_id=project_id, source=source, **values)
        self._write(statement.on_conflict_do_update(index_elements=["project_id", "source"], set_=values))

    def all(self, project_id: int) -> Mapping[str, Mapping[str, Any]]:
        """Return by name the sources that somebody has switched, with `is_on`, `actor` and `switched_at`."""
        statement = select(source_switches).where(source_switches.c.project_id == project_id)
        return {row["source"]: dict(row) for row in self._rows(statement.order_by(source_switches.c.source))}
