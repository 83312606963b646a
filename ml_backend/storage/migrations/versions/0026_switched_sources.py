"""Keep which label sources people have switched off, and find quickly how many texts were new in a week."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "source_switches",
        sa.Column("project_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(255), primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_fits_first", "fits", ["project_id", "first_seen_at", "first_fit"])
