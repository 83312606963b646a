"""Store annotation events as Label Studio's webhook reported them."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Engine,
    Float,
    Index,
    Integer,
    RowMapping,
    Select,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    cast,
    func,
    select,
    update,
)

from ...batches import in_batches
from ...domain.event import AnnotationEvent, EventAction
from ...domain.example import PrelabelOutcome, SelectedBy
from .base import Repository, String, StudioId, UtcDateTime, metadata

__all__ = ["EventRepository", "events", "labeled_tasks"]

events = Table(
    "annotation_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("action", String(16), nullable=False),
    Column("annotation_id", StudioId, nullable=False),
    Column("task_id", StudioId),
    Column("annotator", String(64), nullable=False),
    Column("was_cancelled", Boolean, nullable=False),
    Column("ground_truth", Boolean, nullable=False),
    Column("lead_time_s", Float),
    Column("parent_prediction", StudioId),
    Column("prelabel", String(16), nullable=False),
    Column("model_version", String(255)),
    Column("selected_by", String(16), nullable=False),
    Column("is_blind", Boolean, nullable=False),
    Column("changed_at", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    # Whether Label Studio's API has the label, new since the last snapshot; None until it was asked.
    Column("is_confirmed", Boolean),
    # Label Studio gives events no id; the same change delivered twice agrees in these.
    UniqueConstraint("project_id", "annotation_id", "action", "changed_at"),
    # The newest event, and those since a snapshot, are queried all the time.
    Index("ix_annotation_events_project_id", "project_id", "id"),
    # All that counting annotations by their pre-label's outcome reads, so that the rows are left alone.
    Index("ix_annotation_events_outcome", "project_id", "annotation_id", "id", "action", "was_cancelled", "prelabel"),
)

ROWS_AT_ONCE = 5000
"""Rows per transaction, which takes about 0.1 s. Nobody else can write to SQLite meanwhile, and others wait seconds."""
IDS_AT_ONCE = 500
LONGEST_TRANSACTION = timedelta(minutes=1)
OUTCOMES = tuple(PrelabelOutcome)
FIELDS = [field.name for field in dataclasses.fields(AnnotationEvent)]


class EventRepository(Repository):
    """Stores events, append-only except for Label Studio's verdict on them. A repeated delivery changes nothing."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        super().__init__(engine, clock)
        self._counted: dict[int, tuple[int, Mapping[PrelabelOutcome, int]]] = {}

    def add(self, new: Sequence[AnnotationEvent]) -> int:
        """Store events; returns how many were not known before."""
        # The returned rows are counted, because PostgreSQL's driver gives no row count here.
        statement = self._insert(events).on_conflict_do_nothing().returning(events.c.id)
        added = 0
        for start in range(0, len(new), ROWS_AT_ONCE):
            received_at = self._now()
            some = new[start : start + ROWS_AT_ONCE]
            rows = [{name: getattr(event, name) for name in FIELDS} | {"received_at": received_at} for event in some]
            with self._engine.begin() as connection:
                added += len(connection.execute(statement, rows).all())
        return added

    def last_id(self, project_id: int) -> int:
        """Return the id of the project's newest event, 0 where there is none."""
        return self._value(select(func.max(events.c.id)).where(events.c.project_id == project_id)) or 0

    def received_at(self, event_id: int) -> datetime | None:
        """Return when an event arrived; None where there is no such event."""
        return self._value(select(events.c.received_at).where(events.c.id == event_id))

    def annotators_by_task(self, project_id: int) -> list[tuple[int, bool]]:
        """Return, for each task with a label that was neither skipped nor deleted, how many people labeled it.

        With it stands whether one of the labels has a ground-truth star. Deletions name no task, and are seen here.
        """
        newest = select(func.max(events.c.id)).where(events.c.project_id == project_id)
        star = func.max(case((events.c.ground_truth, 1), else_=0)).label("star")
        counts: Sequence[ColumnElement[Any]] = (func.count(events.c.annotator.distinct()).label("annotators"), star)
        statement = (
            select(*counts)
            .where(events.c.id.in_(newest.group_by(events.c.annotation_id)), events.c.task_id.is_not(None))
            .where(*_new_labels(project_id, 0), events.c.is_confirmed.is_not(False))
            .group_by(events.c.task_id)
        )
        return [(row["annotators"], bool(row["star"])) for row in self._rows(statement)]

    def last_changes(self, project_id: int, annotation_ids: Sequence[int]) -> Mapping[int, str]:
        """Return the last known time of change of each of these annotations that has events."""
        newest = (
            select(events.c.annotation_id, func.max(events.c.changed_at).label("changed_at"))
            .where(events.c.project_id == project_id, events.c.annotation_id.in_(annotation_ids))
            .group_by(events.c.annotation_id)
        )
        return {row["annotation_id"]: row["changed_at"] for row in self._rows(newest)}

    def by_annotation(
        self, project_id: int, annotation_ids: Collection[int] | None = None
    ) -> Mapping[int, Sequence[AnnotationEvent]]:
        """Return all events of each annotation, in the order in which they arrived.

        Args:
            annotation_ids: of these annotations; None: of all.
        """
        histories: dict[int, list[AnnotationEvent]] = defaultdict(list)
        every = select(events).where(events.c.project_id == project_id).order_by(events.c.id)
        statements = (
            [every]
            if annotation_ids is None
            else [
                every.where(events.c.annotation_id.in_(ids)) for ids in in_batches(sorted(annotation_ids), IDS_AT_ONCE)
            ]
        )
        with self._engine.connect() as connection:
            for statement in statements:
                for row in connection.execute(statement).mappings():
                    histories[row["annotation_id"]].append(_event(row))
        return histories

    def newest_by_annotation(self, project_id: int, most: int) -> tuple[Mapping[int, Sequence[AnnotationEvent]], int]:
        """Return what the newest events say of each annotation, and how many older events are left out.

        Where some are, annotations whose first event is among them are left out whole.
        """
        of_project = events.c.project_id == project_id
        newest = select(events.c.id).where(of_project).order_by(events.c.id.desc())
        first_left_out: int = self._value(newest.offset(most).limit(1)) or 0
        every = select(events).where(of_project, events.c.id > first_left_out).order_by(events.c.id)
        histories: dict[int, list[AnnotationEvent]] = defaultdict(list)
        for row in self._rows(every):
            histories[row["annotation_id"]].append(_event(row))
        if not first_left_out:
            return histories, 0
        whole = {number: group for number, group in histories.items() if group[0].action is EventAction.CREATED}
        left_out = self._value(select(func.count()).where(of_project, events.c.id <= first_left_out)) or 0
        return whole, left_out

    def history(self, project_id: int) -> Mapping[int, AnnotationEvent]:
        """Return the merged event of each annotation."""
        return {number: AnnotationEvent.merge(group) for number, group in self.by_annotation(project_id).items()}

    def new_label_count(self, project_id: int, after_id: int) -> int:
        """Count annotations made or changed since an event, without skipped ones and those that Label Studio denies."""
        return self._count(*_new_labels(project_id, after_id), events.c.is_confirmed.is_not(False))

    def confirmed_label_count(self, project_id: int, after_id: int) -> int:
        """Count the annotations of `new_label_count` that Label Studio confirmed."""
        return self._count(*_new_labels(project_id, after_id), events.c.is_confirmed.is_(True))

    def unconfirmed(self, project_id: int, after_id: int, *, limit: int) -> Sequence[AnnotationEvent]:
        """Return the oldest events with new labels about which Label Studio was not asked yet."""
        conditions = (*_new_labels(project_id, after_id), events.c.is_confirmed.is_(None))
        statement = select(events).where(*conditions).order_by(events.c.id).limit(limit)
        return [_event(row) for row in self._rows(statement)]

    def confirm(self, batch: Sequence[AnnotationEvent], confirmed_ids: Collection[int]) -> None:
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
            for event in batch
        ]
        self._write(one, rows)

    def prelabel_counts(self, project_id: int) -> Mapping[PrelabelOutcome, int]:
        """Count annotations per pre-label outcome as in `history`, without skipped and deleted ones.

        Pages and scrapes ask every few seconds, and a project may have a million events. So the counts up to a while
        ago are kept, and only the annotations that have newer events are looked at.
        """
        settled_id = self._settled_id(project_id)
        counted_to, counts = self._counted.get(project_id, (0, {}))
        if counted_to < settled_id:
            counts = self._recounted(project_id, counts, counted_to, settled_id)
            self._counted[project_id] = settled_id, counts
        totals = self._recounted(project_id, counts, max(counted_to, settled_id), self.last_id(project_id))
        return {outcome: totals.get(outcome, 0) for outcome in PrelabelOutcome}

    def labeled(self, project_id: int, task_ids: Collection[int]) -> set[int]:
        """Return which of these tasks have got an annotation that was not skipped, by events."""
        found: set[int] = set()
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            statement = select(events.c.task_id).where(
                *_new_labels(project_id, 0), events.c.task_id.in_(batch), events.c.is_confirmed.is_not(False)
            )
            found |= {row["task_id"] for row in self._rows(statement)}
        return found

    def annotators(self, project_id: int, task_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """Return who has labeled each of these tasks, by events; those who only skipped it are left out."""
        found: dict[int, list[str]] = defaultdict(list)
        for batch in in_batches(sorted(task_ids), IDS_AT_ONCE):
            statement = select(events.c.task_id, events.c.annotator).where(
                *_new_labels(project_id, 0), events.c.task_id.in_(batch)
            )
            for row in self._rows(statement.distinct().order_by(events.c.task_id, events.c.annotator)):
                found[row["task_id"]].append(row["annotator"])
        return found

    def has_changed(self, project_id: int, task_id: int, since: datetime) -> bool:
        """Return whether an event about a task's labels has arrived since a moment."""
        of_task = (events.c.project_id == project_id, events.c.task_id == task_id, events.c.received_at > since)
        return self._value(select(events.c.id).where(*of_task).limit(1)) is not None

    def labeled_first_after(self, project_id: int, event_id: int) -> set[int]:
        """Return the tasks that had no annotation, skipped ones included, before or at an event, and have one since."""
        statement = (
            select(events.c.task_id)
            .where(events.c.project_id == project_id, events.c.task_id.is_not(None))
            .group_by(events.c.task_id)
            .having(func.min(events.c.id) > event_id)
        )
        return {row["task_id"] for row in self._rows(statement)}

    def last_received(self, project_id: int) -> AnnotationEvent | None:
        """Return the project's newest event."""
        statement = select(events).where(events.c.project_id == project_id).order_by(events.c.id.desc()).limit(1)
        return next(map(_event, self._rows(statement)), None)

    def _settled_id(self, project_id: int) -> int:
        """Return the id of the newest event before which no other one can appear any more, 0 where there is none.

        PostgreSQL numbers rows before their transactions end, so a lower number may become visible after a higher one.
        """
        statement = (
            select(events.c.id)
            .where(events.c.project_id == project_id, events.c.received_at < self._now() - LONGEST_TRANSACTION)
            .order_by(events.c.id.desc())
            .limit(1)
        )
        return self._value(statement) or 0

    def _recounted(
        self, project_id: int, counts: Mapping[PrelabelOutcome, int], after_id: int, last_id: int
    ) -> Mapping[PrelabelOutcome, int]:
        """Return counts of the events up to `after_id`, brought up to `last_id`."""
        if last_id <= after_id:
            return counts
        of_project = (events.c.project_id == project_id, events.c.id <= last_id)
        changed = events.alias()
        touched = select(changed.c.annotation_id).where(changed.c.project_id == project_id, changed.c.id > after_id)
        annotations = (
            select(_outcome(events.c.id <= after_id).label("before"), _outcome(events.c.id <= last_id).label("now"))
            .where(*of_project, *((events.c.annotation_id.in_(touched),) if after_id else ()))
            .group_by(events.c.annotation_id)
            .subquery()
        )
        pairs = select(annotations.c.before, annotations.c.now, func.count()).group_by(
            annotations.c.before, annotations.c.now
        )
        totals: dict[PrelabelOutcome, int] = {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}
        with self._engine.connect() as connection:
            for before, now, number in connection.execute(pairs):
                for place, change in ((before, -number), (now, number)):
                    if place is not None:
                        totals[OUTCOMES[place]] += change
        return totals

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        return self._value(select(func.count(func.distinct(events.c.annotation_id))).where(*conditions)) or 0


def _outcome(condition: ColumnElement[bool]) -> ColumnElement[int | None]:
    """The place in `OUTCOMES` of what became of an annotation's pre-label, by its events that meet a condition.

    NULL where the annotation does not exist, is skipped or deleted. Within a GROUP BY of annotations: a maximum over
    ids finds the last event, and what that event says rides along in the lowest digits, which spares a join.
    """
    number = cast(events.c.id, BigInteger)
    stands = and_(events.c.was_cancelled.is_(False), events.c.action != EventAction.DELETED)
    last = func.max(case((condition, number * 2 + case((stands, 1), else_=0))))
    place = case(*((events.c.prelabel == outcome, index) for index, outcome in enumerate(OUTCOMES)))
    tells = and_(condition, events.c.prelabel != PrelabelOutcome.NONE)
    answer = func.max(case((tells, number * len(OUTCOMES) + place)))
    return case((last % 2 == 1, func.coalesce(answer, OUTCOMES.index(PrelabelOutcome.NONE)) % len(OUTCOMES)))


def labeled_tasks(project_id: int) -> Select[tuple[int]]:
    """Return the query for all tasks that have got an annotation that was not skipped, by events."""
    is_label = (*_new_labels(project_id, 0), events.c.is_confirmed.is_not(False), events.c.task_id.is_not(None))
    return select(events.c.task_id).where(*is_label)


def _new_labels(project_id: int, after_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        events.c.project_id == project_id,
        events.c.id > after_id,
        events.c.action != EventAction.DELETED,
        events.c.was_cancelled.is_(False),
    )


def _event(row: RowMapping) -> AnnotationEvent:
    values = {name: row[name] for name in FIELDS}
    return AnnotationEvent(
        **values
        | {
            "action": EventAction(row["action"]),
            "prelabel": PrelabelOutcome(row["prelabel"]),
            "selected_by": SelectedBy(row["selected_by"]),
        }
    )
