"""Store claims of events until Label Studio's API confirms them, and mark the label configs that it confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "hints",
        sa.Column(
            "project_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
        ),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("annotation_events", sa.Column("is_confirmed", sa.Boolean))
    # Existing ones may come from anybody who knew the webhook's credentials.
    op.add_column("label_configs", sa.Column("is_confirmed", sa.Boolean, nullable=False, server_default=sa.false()))
