"""Annotation events, as Label Studio's webhook told them."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, RowMapping, case, func, select

from ...domain.event import AnnotationEvent, EventAction
from ...domain.example import PrelabelOutcome, SelectedBy
from ..tables import events
from .base import Clock, Repository, insert_for

__all__ = ["EventRepository"]

ROWS_PER_INSERT = 500  # 15 columns each: below SQLite's limit of 32,766 bound values


class EventRepository(Repository):
    """Append-only. A repeated delivery changes nothing."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._counted: dict[int, tuple[int, Mapping[PrelabelOutcome, int]]] = {}

    def add(self, new: Sequence[AnnotationEvent]) -> int:
        """Store events; returns how many were not known before."""
        received_at, added = self._now(), 0
        with self._engine.begin() as connection:
            for start in range(0, len(new), ROWS_PER_INSERT):
                rows = [_values(event) | {"received_at": received_at} for event in new[start : start + ROWS_PER_INSERT]]
                statement = insert_for(self._engine, events).values(rows).on_conflict_do_nothing()
                # Counted by what comes back: PostgreSQL's driver gives no row count here.
                added += len(connection.execute(statement.returning(events.c.id)).all())
        return added

    def last_id(self, project_id: int) -> int:
        """Id of the project's newest event, 0 where there is none."""
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(events.c.id)).where(events.c.project_id == project_id))
            return newest.scalar() or 0

    def received_at(self, event_id: int) -> datetime | None:
        """When an event came; None where there is no such event."""
        with self._engine.connect() as connection:
            return connection.execute(select(events.c.received_at).where(events.c.id == event_id)).scalar()

    def last_changes(self, project_id: int, annotation_ids: Sequence[int]) -> Mapping[int, str]:
        """Per annotation that events told of, the time of its last change that they know."""
        newest = (
            select(events.c.annotation_id, func.max(events.c.changed_at))
            .where(events.c.project_id == project_id, events.c.annotation_id.in_(annotation_ids))
            .group_by(events.c.annotation_id)
        )
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(newest)}

    def history(self, project_id: int) -> Mapping[int, AnnotationEvent]:
        """Per annotation, what its events say together.

        The first event tells how the label came about (selection, blindness, the pre-label's version), the last one how
        it stands; of what became of the pre-label, the last one that knows tells. A ground-truth star in any is kept,
        and so is that somebody looked at the label again because it was suspect.
        """
        merged: dict[int, AnnotationEvent] = {}
        statement = select(events).where(events.c.project_id == project_id).order_by(events.c.id)
        with self._engine.connect() as connection:
            for row in connection.execute(statement).mappings():
                event = _event(row)
                known = merged.get(event.annotation_id)
                merged[event.annotation_id] = event if known is None else _merged(known, event)
        return merged

    def new_label_count(self, project_id: int, after_id: int) -> int:
        """Annotations made or changed since an event, skipped ones not counted."""
        return self._count(
            events.c.project_id == project_id,
            events.c.id > after_id,
            events.c.action != EventAction.DELETED,
            events.c.was_cancelled.is_(False),
        )

    def label_count(self, project_id: int) -> int:
        """Annotations ever seen being made, skipped ones not counted."""
        return self.new_label_count(project_id, 0)

    def prelabel_counts(self, project_id: int) -> Mapping[PrelabelOutcome, int]:
        """Annotations per pre-label outcome, as `history` has it; skipped and deleted ones are not counted."""
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


def _merged(first: AnnotationEvent, later: AnnotationEvent) -> AnnotationEvent:
    return dataclasses.replace(
        later,
        task_id=later.task_id or first.task_id,
        prelabel=first.prelabel if later.prelabel is PrelabelOutcome.NONE else later.prelabel,
        model_version=first.model_version or later.model_version,
        selected_by=SelectedBy.SUSPECT if later.selected_by is SelectedBy.SUSPECT else first.selected_by,
        is_blind=first.is_blind,
        ground_truth=first.ground_truth or later.ground_truth,
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
