"""Measurements of prompted models on the test rows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Column, Integer, Table, insert, select

from .base import Repository, String, UtcDateTime, metadata

__all__ = ["BaselineRepository"]

baselines = Table(
    "baselines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_key", String(255), nullable=False, index=True),
    Column("snapshot_id", String(64), nullable=False),
    Column("figures", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


class BaselineRepository(Repository):
    """Append-only: each measurement is about the test rows as they were."""

    def add(self, project_key: str, snapshot_id: str, figures: Mapping[str, Any]) -> None:
        """Store a measurement."""
        values = {"project_key": project_key, "snapshot_id": snapshot_id, "figures": dict(figures)}
        self._write(insert(baselines), [values | {"created_at": self._now()}])

    def newest(self, project_key: str) -> Mapping[str, Any] | None:
        """Return the figures of a project's last measurement; None where there is none."""
        statement = (
            select(baselines.c.figures).where(baselines.c.project_key == project_key).order_by(baselines.c.id.desc())
        )
        figures: Mapping[str, Any] | None = self._value(statement.limit(1))
        return figures
