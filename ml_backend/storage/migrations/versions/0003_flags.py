"""Labels that people were asked to look at again, and what they decided."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "flags",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("given", sa.JSON, nullable=False),
        sa.Column("suggested", sa.JSON),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("is_held_out", sa.Boolean, nullable=False),
        sa.Column("is_decoy", sa.Boolean, nullable=False),
        sa.Column("snapshot_id", sa.String(64), nullable=False),
        sa.Column("probabilities_from", sa.String(255), nullable=False),
        sa.Column("labeled_at", sa.String(64), nullable=False),
        sa.Column("flagged_at", STAMP, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("answer", sa.JSON),
        sa.Column("decided_at", STAMP),
    )
    is_open = sa.text("outcome = 'open'")
    op.create_index(
        "uq_flags_open",
        "flags",
        ["project_id", "task_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_flags_project_id", "flags", ["project_id", "outcome"])
