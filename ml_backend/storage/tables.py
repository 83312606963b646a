"""Tables, as the newest migration leaves them. A test compares the two."""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy import String as PlainString
from sqlalchemy import Text as PlainText

__all__ = [
    "events",
    "flags",
    "gates",
    "hints",
    "jobs",
    "metadata",
    "model_versions",
    "projects",
    "promotions",
    "snapshots",
    "steps",
]

StudioId = BigInteger().with_variant(Integer(), "sqlite")
"""Ids of Label Studio, whose newer tables use 64 bits, as SQLite's integers always do."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of surrogate pairs, which UTF-8 cannot encode."""


class _Storable(TypeDecorator[str]):
    """Text in which U+FFFD replaces each character that one of the databases refuses."""

    impl: type[PlainString] = PlainText

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (the base's shape)
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class Text(_Storable):
    """Text of any length."""

    cache_ok = True


class String(_Storable):
    """Text of a limited length, which only PostgreSQL enforces."""

    impl = PlainString
    cache_ok = True


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware datetimes in UTC, also on SQLite, which does not store the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 (the base's shape)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (the base's shape)
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


projects = Table(
    "projects",
    metadata,
    Column("id", StudioId, primary_key=True, autoincrement=False),
    Column("slug", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("label_config", Text, nullable=False),
    Column("label_config_fingerprint", String(64), nullable=False),
    Column("split", String(64), nullable=False),
    Column("backend_id", StudioId),
    Column("connected_at", UtcDateTime, nullable=False),
)

label_configs = Table(
    "label_configs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("label_config", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # False for those from before migration 0008, which may come from events.
    Column("is_confirmed", Boolean, nullable=False, server_default=false()),
)

hints = Table(
    "hints",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
)

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

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("lane", String(32), nullable=False, server_default="project"),
    Column("project_id", StudioId, nullable=False),
    Column("dedupe_key", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("params", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("progress", Float, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("error", Text),
    Column("attempt", Integer, nullable=False),
    Column("pid", Integer),
    Column("host", String(255)),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("checkpoint", JSON, nullable=False, server_default="{}"),
    Column("cancel_requested", Boolean, nullable=False),
    Column("failure_is_passing", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    # Simultaneous triggers make one job: the second insert fails and finds the first.
    Index(
        "uq_jobs_active",
        "dedupe_key",
        unique=True,
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
    # One running job in each lane of a project; work on files (project 0) is free.
    Index(
        "uq_jobs_running",
        "project_id",
        "lane",
        unique=True,
        sqlite_where=text("state = 'running' AND project_id <> 0"),
        postgresql_where=text("state = 'running' AND project_id <> 0"),
    ),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("project_id", StudioId, primary_key=True, autoincrement=False),
    Column("id", String(64), primary_key=True),
    # The newest event, and the time, when the reading of the rows began: later events and changes count as new.
    Column("last_event_id", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

gates = Table(
    "gates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_key", String(255), nullable=False, index=True),
    Column("snapshot_id", String(64), nullable=False),
    Column("decision", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("version", String(255), nullable=False),
    Column("previous", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_forced", Boolean, nullable=False),
    # None for promotions begun before jobs were remembered here.
    Column("job_id", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_promotions_project_id", "project_id", "id"),
    # One promotion at a time per project: two would disagree on what serves in the end.
    Index(
        "uq_promotions_open",
        "project_id",
        unique=True,
        sqlite_where=text("state IN ('intent', 'pushed', 'committed') AND project_id <> 0"),
        postgresql_where=text("state IN ('intent', 'pushed', 'committed') AND project_id <> 0"),
    ),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("project_key", String(255), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("method", String(16), nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("label_config_fingerprint", String(64), nullable=False),
    Column("metrics", JSON, nullable=False),
    # Of the bundle; None for versions made before it was stored here.
    Column("digest", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    # The champion has the project's highest number, the version before it the next lower one; None: not in the order.
    Column("served_as", Integer),
)

steps = Table(
    "steps",
    metadata,
    # What is done once in the life of a database, and cannot be done by a migration.
    Column("name", String(64), primary_key=True),
    Column("done_at", UtcDateTime, nullable=False),
)

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
