"""Jobs go on after their process died: where it ran, how often it died, and what is done already."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("host", sa.String(255)))
    op.add_column("jobs", sa.Column("deaths", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("checkpoint", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("promotions", sa.Column("job_id", sa.Integer))
