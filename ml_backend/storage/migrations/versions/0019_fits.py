"""Remember how well the texts of tasks fit the labels."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "fits",
        sa.Column("project_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("task_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("fit", sa.Float, nullable=False),
        sa.Column("first_fit", sa.Float, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_fits_fit", "fits", ["project_id", "fit"])
