"""Which answers were accepted, and which tasks people audit."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Engine,
    Float,
    Index,
    Integer,
    RowMapping,
    Table,
    bindparam,
    func,
    select,
    text,
    update,
)

from ...batches import in_batches
from ...domain.acceptance import Acceptance
from ...errors import DatabaseUnavailable
from .base import Repository, String, StudioId, UtcDateTime, metadata
from .certificates import certificates

__all__ = ["AcceptanceRepository"]

acceptances = Table(
    "acceptances",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("certificate_id", Integer, nullable=False, index=True),
    Column("task_id", StudioId, nullable=False),
    Column("version", String(255), nullable=False),
    Column("regions", JSON, nullable=False),
    Column("score", Float, nullable=False),
    Column("is_audit", Boolean, nullable=False),
    Column("annotation_id", StudioId),
    Column("answered_at", String(64)),
    Column("is_wrong", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    Column("undone_at", UtcDateTime),
    # A killed job intends nothing twice.
    Index(
        "uq_acceptances_open",
        "project_id",
        "task_id",
        "version",
        unique=True,
        sqlite_where=text("undone_at IS NULL"),
        postgresql_where=text("undone_at IS NULL"),
    ),
    # The webhook asks for both with every event.
    Index("ix_acceptances_annotation_id", "project_id", "annotation_id"),
)

IDS_AT_ONCE = 500
IS_OPEN = text("undone_at IS NULL")
"""Spelled out, because databases do not match a bound value with the condition of the index."""
FIELDS = [field.name for field in dataclasses.fields(Acceptance)]
GIVEN = [name for name in FIELDS if name not in ("annotation_id", "answered_at", "is_wrong", "undone_at")]


class AcceptanceRepository(Repository):
    """One row per task that a certificate covers; what was undone stays for ever."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        super().__init__(engine, clock)
        self._is_audited: dict[int, bool] = {}

    def intend(self, new: Sequence[Acceptance]) -> None:
        """Store what is about to be accepted or audited; tasks that the version covers already are left as they are."""
        if not new:
            return
        now = self._now()
        rows = [{name: getattr(each, name) for name in GIVEN} | {"created_at": now} for each in new]
        self._write(self._insert(acceptances).on_conflict_do_nothing(), rows)

    def settle(self, certificate_id: int, annotation_ids: Mapping[int, int | None]) -> None:
        """Record which annotation was made of each intended answer, by task; None: none was, or it was taken back."""
        now = self._now()
        self._change(
            certificate_id,
            [
                {"of_task": task_id, "annotation_id": number, "undone_at": None if number else now}
                for task_id, number in annotation_ids.items()
            ],
        )

    def answer(self, audit: Acceptance, answered_at: str, *, is_wrong: bool) -> None:
        """Record how people answered an audit."""
        answered = {"of_task": audit.task_id, "answered_at": answered_at, "is_wrong": is_wrong}
        self._change(audit.certificate_id, [answered])

    def undo(self, accepted: Sequence[Acceptance]) -> None:
        """Record that acceptances were taken back."""
        now = self._now()
        for each in accepted:
            self._change(each.certificate_id, [{"of_task": each.task_id, "undone_at": now}])

    def intended(self, project_id: int) -> Sequence[Acceptance]:
        """Acceptances of which it is not known yet which annotation was made, or whether one was."""
        is_intended = acceptances.c.annotation_id.is_(None)
        return self._find(project_id, IS_OPEN, is_intended, acceptances.c.is_audit.is_(False))

    def standing(self, project_id: int, version: str) -> Sequence[Acceptance]:
        """Acceptances of a version that were not undone, audits left out."""
        is_accepted = acceptances.c.is_audit.is_(False)
        return self._find(project_id, IS_OPEN, acceptances.c.version == version, is_accepted)

    def audits(self, project_id: int, version: str) -> Sequence[Acceptance]:
        """All audits of a version."""
        return self._find(project_id, acceptances.c.version == version, acceptances.c.is_audit.is_(True))

    def covered(self, certificate_id: int, version: str, project_id: int) -> Mapping[int, Acceptance]:
        """Return by task what a certificate has covered, undone or not, and what its version has and was not undone."""
        of_version = acceptances.c.version == version
        is_covered = (acceptances.c.certificate_id == certificate_id) | acceptances.c.undone_at.is_(None)
        return {each.task_id: each for each in self._find(project_id, of_version, is_covered)}

    def open_audits(self, project_id: int, task_ids: Collection[int]) -> set[int]:
        """Return which of these tasks are audits of a certificate that nobody has ended; an index answers it.

        Raises:
            DatabaseUnavailable: the database is away, and the project had such a certificate when it was last asked.
                Pre-labels of all other projects must not depend on this table.
        """
        is_open = (certificates.c.project_id == project_id) & certificates.c.ended_at.is_(None)
        try:
            self._is_audited[project_id] = self._value(select(certificates.c.id).where(is_open).limit(1)) is not None
        except DatabaseUnavailable:
            if self._is_audited.get(project_id):
                raise
            return set()
        if not self._is_audited[project_id]:
            return set()
        found: set[int] = set()
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            statement = (
                select(acceptances.c.task_id)
                .join(certificates, certificates.c.id == acceptances.c.certificate_id)
                .where(
                    is_open,
                    acceptances.c.project_id == project_id,
                    acceptances.c.task_id.in_(batch),
                    acceptances.c.is_audit.is_(True),
                )
            )
            found |= {row["task_id"] for row in self._rows(statement)}
        return found

    def of_tasks(self, project_id: int, task_ids: Collection[int]) -> Mapping[int, Sequence[Acceptance]]:
        """Return the acceptances of these tasks by task, undone ones and audits included."""
        by_task: dict[int, list[Acceptance]] = {}
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            for each in self._find(project_id, acceptances.c.task_id.in_(batch)):
                by_task.setdefault(each.task_id, []).append(each)
        return by_task

    def annotations(self, project_id: int, annotation_ids: Collection[int]) -> set[int]:
        """Return which of these annotations were made of accepted answers; an index answers it."""
        found: set[int] = set()
        for batch in in_batches(sorted(annotation_ids), IDS_AT_ONCE):
            statement = select(acceptances.c.annotation_id).where(
                acceptances.c.project_id == project_id, acceptances.c.annotation_id.in_(batch)
            )
            found |= {row["annotation_id"] for row in self._rows(statement)}
        return found

    def count(self, certificate_id: int) -> int:
        """How many answers a certificate has accepted that were not undone."""
        statement = select(func.count()).where(
            acceptances.c.certificate_id == certificate_id,
            acceptances.c.annotation_id.is_not(None),
            acceptances.c.undone_at.is_(None),
        )
        return self._value(statement) or 0

    def _find(self, project_id: int, *conditions: Any) -> list[Acceptance]:
        of_project: ColumnElement[bool] = acceptances.c.project_id == project_id
        statement = select(acceptances).where(of_project, *conditions).order_by(acceptances.c.id)
        return [_acceptance(row) for row in self._rows(statement)]

    def _change(self, certificate_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change open acceptances of a certificate; each row names its task as `of_task`, and all the same columns."""
        if not rows:
            return
        columns = [name for name in rows[0] if name != "of_task"]
        values = [{name if name == "of_task" else f"new_{name}": value for name, value in row.items()} for row in rows]
        statement = (
            update(acceptances)
            .where(
                acceptances.c.certificate_id == certificate_id, acceptances.c.task_id == bindparam("of_task"), IS_OPEN
            )
            .values({name: bindparam(f"new_{name}") for name in columns})
        )
        self._write(statement, values)


def _acceptance(row: RowMapping) -> Acceptance:
    values = {name: row[name] for name in FIELDS}
    return Acceptance(**values | {"regions": tuple(values["regions"])})
