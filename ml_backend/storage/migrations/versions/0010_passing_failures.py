"""Mark the failures of jobs that may pass, and record model versions here as well as in the registry."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("failure_is_passing", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "model_versions",
        sa.Column("project_key", sa.String(255), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("snapshot_id", sa.String(64), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("label_config_fingerprint", sa.String(64), nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("served_as", sa.Integer),
        sa.PrimaryKeyConstraint("project_key", "number", name="pk_model_versions"),
    )
