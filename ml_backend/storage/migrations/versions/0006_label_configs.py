"""The label configs that a project has had, and the one that a promoted version was trained for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "label_configs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("label_config", sa.Text, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_label_configs_project_id", "label_configs", ["project_id"])
    op.execute(
        "INSERT INTO label_configs (project_id, fingerprint, label_config, seen_at) "
        "SELECT id, label_config_fingerprint, label_config, connected_at FROM projects"
    )
    op.add_column("promotions", sa.Column("label_config_fingerprint", sa.String(64)))
