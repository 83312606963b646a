"""Let the rows of versions say alone what serves, and make what is asked every second cheap to answer."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("model_versions", sa.Column("digest", sa.String(64)))
    op.create_table(
        "steps",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_steps"),
    )
    # The rows of versions have it.
    op.drop_column("promotions", "label_config_fingerprint")
    op.create_index(
        "ix_annotation_events_outcome",
        "annotation_events",
        ["project_id", "annotation_id", "id", "action", "was_cancelled", "prelabel"],
    )
    op.create_index("ix_promotions_project_id", "promotions", ["project_id", "id"])
