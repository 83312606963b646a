"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STAMP = sa.DateTime(timezone=True)


def _partial(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], unique=True, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("label_config", sa.Text, nullable=False),
        sa.Column("label_config_fingerprint", sa.String(64), nullable=False),
        sa.Column("split", sa.String(64), nullable=False),
        sa.Column("backend_id", sa.Integer),
        sa.Column("connected_at", STAMP, nullable=False),
    )
    op.create_table(
        "annotation_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("annotation_id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer),
        sa.Column("annotator", sa.String(64), nullable=False),
        sa.Column("was_cancelled", sa.Boolean, nullable=False),
        sa.Column("ground_truth", sa.Boolean, nullable=False),
        sa.Column("lead_time_s", sa.Float),
        sa.Column("parent_prediction", sa.Integer),
        sa.Column("prelabel", sa.String(16), nullable=False),
        sa.Column("model_version", sa.String(255)),
        sa.Column("selected_by", sa.String(16), nullable=False),
        sa.Column("is_blind", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.String(64), nullable=False),
        sa.Column("received_at", STAMP, nullable=False),
        sa.UniqueConstraint(
            "project_id", "annotation_id", "action", "changed_at", name="uq_annotation_events_project_id"
        ),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("dedupe_key", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("pid", sa.Integer),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("started_at", STAMP),
        sa.Column("heartbeat_at", STAMP),
        sa.Column("finished_at", STAMP),
    )
    _partial("uq_jobs_active", "jobs", "dedupe_key", "state IN ('queued', 'running')")
    _partial("uq_jobs_running", "jobs", "project_id", "state = 'running' AND project_id <> 0")
    op.create_table(
        "snapshots",
        sa.Column("project_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("last_event_id", sa.Integer, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
    )
    op.create_table(
        "gates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_key", sa.String(255), nullable=False),
        sa.Column("snapshot_id", sa.String(64), nullable=False),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
    )
    op.create_index("ix_gates_project_key", "gates", ["project_key"])
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("previous", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_forced", sa.Boolean, nullable=False),
        sa.Column("created_at", STAMP, nullable=False),
        sa.Column("updated_at", STAMP, nullable=False),
    )
    _partial(
        "uq_promotions_open",
        "promotions",
        "project_id",
        "state IN ('intent', 'pushed', 'committed') AND project_id <> 0",
    )
