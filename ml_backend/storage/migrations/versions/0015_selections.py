"""Remember which tasks stood on the list of those to label next, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "selections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", studio_id, nullable=False),
        sa.Column("task_id", studio_id, nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("priority", sa.Float, nullable=False),
        sa.Column("selected_by", sa.String(16), nullable=False),
        sa.Column("selected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    is_listed = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_selections_listed",
        "selections",
        ["project_id", "task_id"],
        unique=True,
        sqlite_where=is_listed,
        postgresql_where=is_listed,
    )
