"""Flags: what people were asked to look at again, and what they decided."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    RowMapping,
    Table,
    TextClause,
    select,
    text,
    update,
)

from ...batches import in_batches
from ...domain.example import Target
from ...domain.flag import Flag, FlagOutcome
from ...domain.quality import IssueKind
from ...domain.row_json import target_from_json, target_to_json
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["FlagRepository"]

flags = Table(
    "flags",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("task_id", StudioId, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("given", JSON, nullable=False),
    Column("suggested", JSON(none_as_null=True)),
    Column("quality", Float, nullable=False),
    Column("is_held_out", Boolean, nullable=False),
    Column("is_decoy", Boolean, nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    Column("probabilities_from", String(255), nullable=False),
    Column("labeled_at", String(64), nullable=False),
    Column("flagged_at", UtcDateTime, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("decided_at", UtcDateTime),
    Column("control", Text, nullable=False, server_default=""),
    # One open flag per task; the webhook asks for it with every event.
    Index(
        "uq_flags_open",
        "project_id",
        "task_id",
        unique=True,
        sqlite_where=text("outcome = 'open'"),
        postgresql_where=text("outcome = 'open'"),
    ),
    Index("ix_flags_project_id", "project_id", "outcome"),
)

IDS_AT_ONCE = 500
IS_OPEN: TextClause = text("outcome = 'open'")
"""Spelled out, because databases do not match a bound value with the condition of the index."""


class FlagRepository(Repository):
    """At most one open flag per task; those that were decided or withdrawn stay for ever."""

    def put(self, flag: Flag) -> None:
        """Store an open flag. Where the task has one for the same answer, it is brought up to date and keeps its times.

        The times of an earlier one belong to when people could first see it; a later audit does not change that.
        """
        values = _values(flag)
        statement = self._insert(flags).values(values)
        fresh = {
            name: statement.excluded[name]
            for name in (
                "kind",
                "suggested",
                "quality",
                "is_held_out",
                "is_decoy",
                "snapshot_id",
                "probabilities_from",
                "control",
            )
        }
        self._write(
            statement.on_conflict_do_update(index_elements=["project_id", "task_id"], index_where=IS_OPEN, set_=fresh)
        )

    def close(self, flag: Flag, outcome: FlagOutcome, answer: Target | None = None) -> bool:
        """Record what became of an open flag; False where it was closed already."""
        statement = (
            update(flags)
            .where(flags.c.id == flag.id, IS_OPEN)
            .values(outcome=outcome, answer=target_to_json(answer), decided_at=self._now())
            .returning(flags.c.id)
        )
        with self._engine.begin() as connection:
            return connection.execute(statement).first() is not None

    def open(self, project_id: int) -> Sequence[Flag]:
        """The project's open flags by task."""
        return self._find(flags.c.project_id == project_id, IS_OPEN)

    def all(self, project_id: int) -> Sequence[Flag]:
        """Every flag that the project has had, oldest first."""
        return self._find(flags.c.project_id == project_id)

    def flagged(self, project_id: int, task_ids: Collection[int]) -> set[int]:
        """Return which of these tasks have an open flag; an index answers it."""
        ids: set[int] = set()
        with self._engine.connect() as connection:
            for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
                statement = select(flags.c.task_id).where(
                    flags.c.project_id == project_id,
                    IS_OPEN,
                    flags.c.task_id.in_(batch),
                )
                ids |= set(connection.execute(statement).scalars())
        return ids

    def _find(self, *conditions: ColumnElement[bool] | TextClause) -> list[Flag]:
        statement = select(flags).where(*conditions).order_by(flags.c.id)
        return [_flag(row) for row in self._rows(statement)]


def _values(flag: Flag) -> dict[str, Any]:
    values = {field.name: getattr(flag, field.name) for field in dataclasses.fields(flag) if field.name != "id"}
    return values | {name: target_to_json(values[name]) for name in ("given", "suggested", "answer")}


def _flag(row: RowMapping) -> Flag:
    answers = {name: row[name] for name in ("given", "suggested", "answer")}
    targets = {name: None if value is None else target_from_json(value) for name, value in answers.items()}
    kinds = {"kind": IssueKind(row["kind"]), "outcome": FlagOutcome(row["outcome"])}
    return Flag(**dict(row) | targets | kinds)
