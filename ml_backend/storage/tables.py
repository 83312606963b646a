"""Tables, as the newest migration leaves them. A test compares the two."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, Table, UniqueConstraint, false, text

from .column_types import String, StudioId, Text, UtcDateTime

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
]

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
    # None for cold starts, and for promotions begun before this was remembered here.
    Column("label_config_fingerprint", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # One promotion at a time per project: a second one would race for the alias.
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
    Column("created_at", UtcDateTime, nullable=False),
    # The champion has the project's highest number, the version before it the next lower one; None: not in the order.
    Column("served_as", Integer),
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
