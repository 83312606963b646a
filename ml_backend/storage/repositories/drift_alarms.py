"""Alarms that something has changed since a version was trained."""

from collections.abc import Sequence

from sqlalchemy import Column, Table, select

from ...domain.drift import DriftAlarm, DriftKind
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["DriftAlarmRepository"]

drift_alarms = Table(
    "drift_alarms",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("version", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("sentence", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
)


class DriftAlarmRepository(Repository):
    """At most one alarm per version and kind. It stays for ever."""

    def add(self, alarm: DriftAlarm) -> bool:
        """Store an alarm; returns False where the version has one of its kind already."""
        values = {column.name: getattr(alarm, column.name) for column in drift_alarms.c}
        statement = self._insert(drift_alarms).values(values).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            return connection.execute(statement.returning(drift_alarms.c.kind)).first() is not None

    def all(self, project_id: int, version: str | None = None) -> Sequence[DriftAlarm]:
        """Return a project's alarms, or those of one version, the newest first."""
        statement = select(drift_alarms).where(drift_alarms.c.project_id == project_id)
        if version is not None:
            statement = statement.where(drift_alarms.c.version == version)
        rows = self._rows(statement.order_by(drift_alarms.c.raised_at.desc(), drift_alarms.c.kind))
        return [DriftAlarm(**dict(row) | {"kind": DriftKind(row["kind"])}) for row in rows]
