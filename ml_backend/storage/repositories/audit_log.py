"""The log of what users did, one row an action, append-only."""

import dataclasses
from collections.abc import Sequence

from sqlalchemy import Column, Integer, Table, select

from ...domain.access import AuditEntry
from .base import Repository, String, Text, UtcDateTime, metadata

__all__ = ["AuditRepository"]

LONGEST = {"actor": 255, "via": 16, "action": 64, "subject": 255, "address": 255, "outcome": 16, "detail": 2000}
entries = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    *(Column(name, String(most), nullable=False) for name, most in LONGEST.items() if name != "detail"),
    Column("detail", Text, nullable=False),
)


class AuditRepository(Repository):
    """The audit log. Nothing in it is ever changed."""

    def add(self, entry: AuditEntry) -> None:
        """Store an entry, at the clock's time; longer texts than a column holds end in an ellipsis."""
        texts = {name: _fitting(getattr(entry, name), most) for name, most in LONGEST.items()}
        self._write(entries.insert().values(**texts, at=self._now()))

    def newest(self, *, limit: int, before_id: int | None = None, actor: str = "") -> Sequence[AuditEntry]:
        """Return entries, newest first.

        Args:
            before_id: only older ones than this.
            actor: only those of this actor; empty: of everybody.
        """
        statement = select(entries).order_by(entries.c.id.desc()).limit(limit)
        if before_id is not None:
            statement = statement.where(entries.c.id < before_id)
        if actor:
            statement = statement.where(entries.c.actor == actor)
        names = [field.name for field in dataclasses.fields(AuditEntry)]
        return [AuditEntry(**{name: row[name] for name in names}) for row in self._rows(statement)]


def _fitting(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
