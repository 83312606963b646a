"""Gates held, and the evidence of those that kept the champion, which the next gates of the project go by."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    Integer,
    LargeBinary,
    Table,
    func,
    insert,
    select,
)

from ...domain.model import GateDecision
from .base import Repository, String, UtcDateTime, metadata

__all__ = ["GateRepository"]

gates = Table(
    "gates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_key", String(255), nullable=False, index=True),
    Column("snapshot_id", String(64), nullable=False),
    Column("decision", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("evidence", LargeBinary),
)


class GateRepository(Repository):
    """Append-only."""

    def add(self, project_key: str, snapshot_id: str, decision: GateDecision, evidence: bytes | None = None) -> None:
        """Record a decision.

        Args:
            evidence: of a gate that has spent some of the project's budget of error, None for others.
        """
        values: dict[str, Any] = dataclasses.asdict(decision)
        statement = insert(gates).values(
            project_key=project_key, snapshot_id=snapshot_id, decision=values, created_at=self._now(), evidence=evidence
        )
        self._write(statement)

    def evidence(self, project_key: str) -> list[bytes]:
        """The evidence of the gates that have spent some of the project's budget of error, in order."""
        is_kept = (gates.c.project_key == project_key) & gates.c.evidence.is_not(None)
        rows = self._rows(select(gates.c.evidence).where(is_kept).order_by(gates.c.id))
        return [bytes(row["evidence"]) for row in rows]

    def count(self, project_key: str) -> int:
        """Gates held of a project."""
        return self._value(select(func.count()).where(gates.c.project_key == project_key)) or 0

    def history(self, project_key: str, challenger: str = "") -> list[tuple[datetime, GateDecision]]:
        """The project's decisions with their times, oldest first.

        Args:
            challenger: the version that they are about; empty: any.
        """
        return [
            (at, _decision(values))
            for at, values in self._values(project_key)
            if not challenger or values["challenger"] == challenger
        ]

    def verdicts(self, project_key: str) -> Sequence[Mapping[str, Any]]:
        """Return `at`, `challenger`, `champion`, `promote` and `reason` of the decisions, oldest first.

        That takes a fraction of the time that whole decisions do, which grows with the slices.
        """
        names = ("challenger", "champion", "promote", "reason")
        return [{"at": at, **{name: values[name] for name in names}} for at, values in self._values(project_key)]

    def last(self, project_key: str) -> GateDecision | None:
        """The newest decision."""
        statement = (
            select(gates.c.decision).where(gates.c.project_key == project_key).order_by(gates.c.id.desc()).limit(1)
        )
        values = self._value(statement)
        return _decision(values) if values else None

    def _values(self, project_key: str) -> list[tuple[datetime, dict[str, Any]]]:
        # Picked in Python: PostgreSQL refuses to look into JSON that quotes a task's NUL or half a surrogate pair.
        statement = select(gates.c.created_at, gates.c.decision).where(gates.c.project_key == project_key)
        return [(row["created_at"], row["decision"]) for row in self._rows(statement.order_by(gates.c.id))]


def _decision(values: object) -> GateDecision:
    return _reader().validate_python(values)


@cache
def _reader() -> TypeAdapter[GateDecision]:
    return TypeAdapter(GateDecision)  # takes longer than reading with it
