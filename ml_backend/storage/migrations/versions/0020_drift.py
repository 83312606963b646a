"""Keep what versions answer to blind tasks, and alarms that something has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "blind_answers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", studio_id, nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("task_id", studio_id, nullable=False),
        sa.Column("is_reference", sa.Boolean, nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("fit", sa.Float),
        sa.Column("answered_at", sa.String(64)),
        sa.Column("judged_at", sa.DateTime(timezone=True)),
        sa.Column("is_wrong", sa.Boolean),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("uq_blind_answers_task", "blind_answers", ["project_id", "version", "task_id"], unique=True)
    is_open = sa.text("answered_at IS NULL")
    op.create_index(
        "ix_blind_answers_open",
        "blind_answers",
        ["project_id", "task_id"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "drift_alarms",
        sa.Column("project_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
    )
