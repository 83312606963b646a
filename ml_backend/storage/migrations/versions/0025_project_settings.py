"""Keep settings that projects have for themselves, and every change of one."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

STUDIO_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "project_settings",
        sa.Column("project_id", STUDIO_ID, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("origin", sa.String(16), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "project_setting_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", STUDIO_ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("value", sa.Text),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_project_setting_changes_project_id", "project_setting_changes", ["project_id", "id"])
