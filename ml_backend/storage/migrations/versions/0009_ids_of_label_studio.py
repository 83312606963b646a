"""Allow ids of Label Studio beyond 32 bits, which PostgreSQL refused, and add an index for a frequent query."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

STUDIO_IDS = {
    "projects": ("id", "backend_id"),
    "label_configs": ("project_id",),
    "annotation_events": ("project_id", "annotation_id", "task_id", "parent_prediction"),
    "jobs": ("project_id",),
    "snapshots": ("project_id",),
    "promotions": ("project_id",),
    "flags": ("project_id", "task_id"),
}


OPEN = sa.text("state IN ('intent', 'pushed', 'committed') AND project_id <> 0")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Created again below: otherwise PostgreSQL would write its condition differently than in a new database.
        op.drop_index("uq_promotions_open", "promotions")
        for table, columns in STUDIO_IDS.items():
            for column in columns:
                op.alter_column(table, column, type_=sa.BigInteger)
        op.create_index("uq_promotions_open", "promotions", ["project_id"], unique=True, postgresql_where=OPEN)
    op.create_index("ix_annotation_events_project_id", "annotation_events", ["project_id", "id"])
