"""Flags: what people were asked to look at again, and what they decided."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, TextClause, select, text, update

from ...batches import in_batches
from ...domain.example import Target
from ...domain.flag import Flag, FlagOutcome
from ...domain.quality import IssueKind
from ...domain.row_json import target_from_json, target_to_json
from ..tables import flags
from .base import Repository

__all__ = ["FlagRepository"]

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
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["project_id", "task_id"], index_where=IS_OPEN, set_=fresh
                )
            )

    def close(self, flag: Flag, outcome: FlagOutcome, answer: Target | None = None) -> bool:
        """Record what became of an open flag; False where it was closed already."""
        statement = (
            update(flags)
            .where(flags.c.id == flag.id, IS_OPEN)
            .values(outcome=outcome, answer=_json(answer), decided_at=self._now())
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
        """Return the tasks among these that have an open flag; an index answers it."""
        found: set[int] = set()
        with self._engine.connect() as connection:
            for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
                statement = select(flags.c.task_id).where(
                    flags.c.project_id == project_id,
                    IS_OPEN,
                    flags.c.task_id.in_(batch),
                )
                found |= set(connection.execute(statement).scalars())
        return found

    def _find(self, *conditions: ColumnElement[bool] | TextClause) -> list[Flag]:
        statement = select(flags).where(*conditions).order_by(flags.c.id)
        with self._engine.connect() as connection:
            return [_flag(row) for row in connection.execute(statement).mappings()]


def _values(flag: Flag) -> dict[str, Any]:
    values = {field.name: getattr(flag, field.name) for field in dataclasses.fields(flag) if field.name != "id"}
    return values | {name: _json(values[name]) for name in ("given", "suggested", "answer")}


def _json(target: Target | None) -> Any:
    return None if target is None else target_to_json(target)


def _target(value: Any) -> Target | None:
    return None if value is None else target_from_json(value)


def _flag(row: RowMapping) -> Flag:
    targets = {name: _target(row[name]) for name in ("given", "suggested", "answer")}
    kinds = {"kind": IssueKind(row["kind"]), "outcome": FlagOutcome(row["outcome"])}
    return Flag(**dict(row) | targets | kinds)
