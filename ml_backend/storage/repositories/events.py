"""Annotation events, as Label Studio's webhook told them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select

from ...domain.event import AnnotationEvent, EventAction
from ...domain.example import PrelabelOutcome, SelectedBy
from ..tables import events
from .base import Repository, insert_for

__all__ = ["EventRepository"]

ROWS_AT_ONCE = 5000
"""Rows per transaction, which take some 0.1 s: SQLite lets nobody else write meanwhile, and others wait for seconds."""


class EventRepository(Repository):
    """Append-only. A repeated delivery changes nothing."""

    def add(self, new: Sequence[AnnotationEvent]) -> int:
        """Store events; returns how many were not known before."""
        # Counted by what comes back: PostgreSQL's driver gives no row count here.
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
        """Annotations per pre-label outcome; skipped and deleted ones are not counted."""
        counts = dict.fromkeys(PrelabelOutcome, 0)
        for event in self.history(project_id).values():
            if not event.was_cancelled and event.action is not EventAction.DELETED:
                counts[event.prelabel] += 1
        return counts

    def last_received(self, project_id: int) -> AnnotationEvent | None:
        """The project's newest event."""
        statement = select(events).where(events.c.project_id == project_id).order_by(events.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(statement).mappings().first()
        return _event(row) if row else None

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
