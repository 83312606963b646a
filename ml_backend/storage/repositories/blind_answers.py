"""Answers of versions to blind tasks, and whether people say the same."""

import dataclasses
from collections.abc import Collection, Sequence

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    RowMapping,
    Table,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy import text as sql

from ...batches import in_batches
from ...domain.drift import BlindAnswer
from ...domain.event import EventAction
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata
from .events import events

__all__ = ["BlindAnswerRepository", "blind_answers"]

blind_answers = Table(
    "blind_answers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("version", String(255), nullable=False),
    Column("task_id", StudioId, nullable=False),
    Column("is_reference", Boolean, nullable=False),
    Column("regions", JSON, nullable=False),
    Column("label", Text, nullable=False),
    Column("fit", Float),
    Column("answered_at", String(64)),
    Column("judged_at", UtcDateTime),
    Column("is_wrong", Boolean),
    Column("created_at", UtcDateTime, nullable=False),
    Index("uq_blind_answers_task", "project_id", "version", "task_id", unique=True),
    # New labels are looked up here.
    Index(
        "ix_blind_answers_open",
        "project_id",
        "task_id",
        sqlite_where=sql("answered_at IS NULL"),
        postgresql_where=sql("answered_at IS NULL"),
    ),
)

ROWS_AT_ONCE = 2000
FIELDS = [field.name for field in dataclasses.fields(BlindAnswer)]


class BlindAnswerRepository(Repository):
    """One row per version and blind task that it has answered, in the order in which the tasks came."""

    def add(self, new: Sequence[BlindAnswer]) -> None:
        """Store answers; those of tasks that the version has answered already stay as they are."""
        now = self._now()
        for batch in in_batches(new, ROWS_AT_ONCE):
            rows = [{name: getattr(each, name) for name in FIELDS} | {"created_at": now} for each in batch]
            self._write(self._insert(blind_answers).on_conflict_do_nothing(), rows)

    def judge(self, judged: Sequence[BlindAnswer]) -> None:
        """Record how people answered, as `answered_at` and `is_wrong` say."""
        now = self._now()
        statement = (
            update(blind_answers)
            .where(
                blind_answers.c.project_id == bindparam("of_project"),
                blind_answers.c.version == bindparam("of_version"),
                blind_answers.c.task_id == bindparam("of_task"),
                blind_answers.c.answered_at.is_(None),
            )
            .values(answered_at=bindparam("at"), is_wrong=bindparam("wrong"), judged_at=now)
        )
        rows = [
            {
                "of_project": each.project_id,
                "of_version": each.version,
                "of_task": each.task_id,
                "at": each.answered_at,
                "wrong": each.is_wrong,
            }
            for each in judged
        ]
        if rows:
            self._write(statement, rows)

    def of_version(self, project_id: int, version: str) -> Sequence[BlindAnswer]:
        """Return all answers of a version, in the order in which the tasks came."""
        columns = blind_answers.c
        of_version = (columns.project_id == project_id, columns.version == version)
        return [_answer(row) for row in self._rows(select(blind_answers).where(*of_version).order_by(columns.id))]

    def judged(self, project_id: int, version: str) -> Sequence[tuple[bool, str | None, bool]]:
        """Return of each answer that was compared with people's whether it is one to a test row, when people answered,
        as Label Studio wrote it, and whether it is wrong; in the order in which the tasks came.
        """
        columns = blind_answers.c
        statement = (
            select(columns.is_reference, columns.answered_at, columns.is_wrong)
            .where(columns.project_id == project_id, columns.version == version, columns.is_wrong.is_not(None))
            .order_by(columns.id)
        )
        return [(row["is_reference"], row["answered_at"], row["is_wrong"]) for row in self._rows(statement)]

    def count(self, project_id: int, version: str, *, is_reference: bool) -> int:
        """Return how many tasks a version has answered, people's answers known or not.

        Args:
            is_reference: test rows of the version's snapshot, rather than what came after it.
        """
        columns = blind_answers.c
        of_version = (columns.project_id == project_id, columns.version == version)
        statement = select(func.count()).where(*of_version, columns.is_reference.is_(is_reference))
        return self._value(statement) or 0

    def is_known(self, project_id: int, version: str) -> bool:
        """Return whether the version has answered any task."""
        columns = blind_answers.c
        of_version = (columns.project_id == project_id, columns.version == version)
        return self._value(select(columns.id).where(*of_version).limit(1)) is not None

    def labeled_since(self, project_id: int, event_id: int) -> Sequence[BlindAnswer]:
        """Return the answers to tasks that were labeled or changed after an event, and were not compared yet.

        The tasks of test rows are not among them.
        """
        columns = blind_answers.c
        labeled = (
            select(events.c.task_id)
            .where(
                events.c.project_id == project_id,
                events.c.id > event_id,
                events.c.action != EventAction.DELETED,
                events.c.was_cancelled.is_(False),
                events.c.is_confirmed.is_not(False),
            )
            .distinct()
        )
        statement = (
            select(blind_answers)
            .where(
                columns.project_id == project_id,
                columns.is_reference.is_(False),
                sql("answered_at IS NULL"),
                columns.task_id.in_(labeled),
            )
            .order_by(columns.id)
        )
        return [_answer(row) for row in self._rows(statement)]

    def counts(self, project_id: int, version: str) -> tuple[int, int]:
        """Return how many answers were compared with people's after the version was trained, and how many are wrong."""
        columns = blind_answers.c
        statement = (
            select(columns.is_wrong, func.count().label("rows"))
            .where(
                columns.project_id == project_id,
                columns.version == version,
                columns.is_reference.is_(False),
                columns.is_wrong.is_not(None),
            )
            .group_by(columns.is_wrong)
        )
        found = {bool(row["is_wrong"]): int(row["rows"]) for row in self._rows(statement)}
        return sum(found.values()), found.get(True, 0)

    def forget(self, project_id: int, kept: Collection[str]) -> None:
        """Delete the answers of other versions that people have not answered, as their predictions are deleted."""
        columns = blind_answers.c
        others = (columns.project_id == project_id, columns.version.not_in(kept))
        is_open = (columns.answered_at.is_(None), columns.is_reference.is_(False))
        self._write(delete(blind_answers).where(*others, *is_open))


def _answer(row: RowMapping) -> BlindAnswer:
    values = {name: row[name] for name in FIELDS}
    return BlindAnswer(**values | {"regions": tuple(values["regions"])})
