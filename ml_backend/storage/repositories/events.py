"""Annotation events, as Label Studio's webhook told them."""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, RowMapping, bindparam, case, func, select, update

from ...domain.event import AnnotationEvent, EventAction
from ...domain.example import PrelabelOutcome, SelectedBy
from ..tables import events
from .base import Clock, Repository, insert_for

__all__ = ["EventRepository"]

ROWS_AT_ONCE = 5000
"""Rows per transaction, which takes about 0.1 s. Nobody else can write to SQLite meanwhile, and others wait seconds."""


class EventRepository(Repository):
    """Stores events, append-only except for Label Studio's verdict on them. A repeated delivery changes nothing."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._counted: dict[int, tuple[int, Mapping[PrelabelOutcome, int]]] = {}

    def add(self, new: Sequence[AnnotationEvent]) -> int:
        """Store events; returns how many were not known before."""
        # The returned rows are counted, because PostgreSQL's driver gives no row count here.
        statement = insert_for(self._engine, events).on_conflict_do_nothing().returning(events.c.id)
        received_at, added = self._now(), 0
        for start in range(0, len(new), ROWS_AT_ONCE):
            rows = [_values(event) | {"received_at": received_at} for event in new[start : start + ROWS_AT_ONCE]]
            with self._engine.begin() as connection:
                added += len(connection.execute(statement, rows).all())
        return added

    def last_id(self, project_id: int) -> int:
        """Id of the project's newest event, 0 where there is none."""
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(events.c.id)).where(events.c.project_id == project_id))
            return newest.scalar() or 0

    def received_at(self, event_id: int) -> datetime | None:
        """Return when an event arrived; None where there is no such event."""
        with self._engine.connect() as connection:
            return connection.execute(select(events.c.received_at).where(events.c.id == event_id)).scalar()

    def last_changes(self, project_id: int, annotation_ids: Sequence[int]) -> Mapping[int, str]:
        """Return the last known time of change of each of these annotations that has events."""
        newest = (
            select(events.c.annotation_id, func.max(events.c.changed_at))
            .where(events.c.project_id == project_id, events.c.annotation_id.in_(annotation_ids))
            .group_by(events.c.annotation_id)
        )
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(newest)}

    def told(self, project_id: int) -> Mapping[int, Sequence[AnnotationEvent]]:
        """Return all events of each annotation, in the order in which they arrived."""
        found: dict[int, list[AnnotationEvent]] = defaultdict(list)
        statement = select(events).where(events.c.project_id == project_id).order_by(events.c.id)
        with self._engine.connect() as connection:
            for row in connection.execute(statement).mappings():
                found[row["annotation_id"]].append(_event(row))
        return found

    def history(self, project_id: int) -> Mapping[int, AnnotationEvent]:
        """Return the merged event of each annotation."""
        return {annotation_id: AnnotationEvent.merge(told) for annotation_id, told in self.told(project_id).items()}

    def new_label_count(self, project_id: int, after_id: int) -> int:
        """Count annotations made or changed since an event, without skipped ones and those that Label Studio denies."""
        return self._count(*_new_labels(project_id, after_id), events.c.is_confirmed.is_not(False))

    def confirmed_label_count(self, project_id: int, after_id: int) -> int:
        """Count those of `new_label_count` that Label Studio confirmed."""
        return self._count(*_new_labels(project_id, after_id), events.c.is_confirmed.is_(True))

    def unconfirmed(self, project_id: int, after_id: int, *, limit: int) -> Sequence[AnnotationEvent]:
        """Return the oldest events with new labels about which Label Studio was not asked yet."""
        conditions = (*_new_labels(project_id, after_id), events.c.is_confirmed.is_(None))
        statement = select(events).where(*conditions).order_by(events.c.id).limit(limit)
        with self._engine.connect() as connection:
            return [_event(row) for row in connection.execute(statement).mappings()]

    def confirm(self, asked: Sequence[AnnotationEvent], confirmed_ids: Collection[int]) -> None:
        """Record for the events about which Label Studio was asked that it has the labels of these annotations only."""
        one = update(events).where(
            events.c.project_id == bindparam("of_project"),
            events.c.annotation_id == bindparam("of_annotation"),
            events.c.action == bindparam("of_action"),
            events.c.changed_at == bindparam("of_change"),
        )
        rows = [
            {
                "of_project": event.project_id,
                "of_annotation": event.annotation_id,
                "of_action": event.action,
                "of_change": event.changed_at,
                "is_confirmed": event.annotation_id in confirmed_ids,
            }
            for event in asked
        ]
        with self._engine.begin() as connection:
            connection.execute(one, rows)

    def label_count(self, project_id: int) -> int:
        """Annotations ever seen being made, skipped ones not counted."""
        return self.new_label_count(project_id, 0)

    def prelabel_counts(self, project_id: int) -> Mapping[PrelabelOutcome, int]:
        """Count annotations per pre-label outcome as in `history`, without skipped and deleted ones."""
        newest = self.last_id(project_id)
        counted_at, counts = self._counted.get(project_id, (-1, {}))
        if counted_at != newest:
            counts = self._count_prelabels(project_id)
            self._counted[project_id] = newest, counts
        return counts

    def last_received(self, project_id: int) -> AnnotationEvent | None:
        """The project's newest event."""
        statement = select(events).where(events.c.project_id == project_id).order_by(events.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(statement).mappings().first()
        return _event(row) if row else None

    def _count_prelabels(self, project_id: int) -> Mapping[PrelabelOutcome, int]:
        tells = case((events.c.prelabel != PrelabelOutcome.NONE, events.c.id))
        annotations = (
            select(func.max(events.c.id).label("last_id"), func.max(tells).label("telling_id"))
            .where(events.c.project_id == project_id)
            .group_by(events.c.annotation_id)
            .subquery()
        )
        last, telling = events.alias(), events.alias()
        statement = (
            select(telling.c.prelabel, func.count())
            .select_from(annotations.join(last, last.c.id == annotations.c.last_id))
            .outerjoin(telling, telling.c.id == annotations.c.telling_id)
            .where(last.c.was_cancelled.is_(False), last.c.action != EventAction.DELETED)
            .group_by(telling.c.prelabel)
        )
        with self._engine.connect() as connection:
            found = {PrelabelOutcome(name or PrelabelOutcome.NONE): n for name, n in connection.execute(statement)}
        return {outcome: found.get(outcome, 0) for outcome in PrelabelOutcome}

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        statement = select(func.count(func.distinct(events.c.annotation_id))).where(*conditions)
        with self._engine.connect() as connection:
            return connection.execute(statement).scalar() or 0


def _new_labels(project_id: int, after_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        events.c.project_id == project_id,
        events.c.id > after_id,
        events.c.action != EventAction.DELETED,
        events.c.was_cancelled.is_(False),
    )


def _values(event: AnnotationEvent) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}


def _event(row: RowMapping) -> AnnotationEvent:
    values = {field.name: row[field.name] for field in dataclasses.fields(AnnotationEvent)}
    return AnnotationEvent(
        **values
        | {
            "action": EventAction(row["action"]),
            "prelabel": PrelabelOutcome(row["prelabel"]),
            "selected_by": SelectedBy(row["selected_by"]),
        }
    )
