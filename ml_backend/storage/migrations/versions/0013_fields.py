"""Which fields of a project's tasks are read; projects from before read the text of their first control."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("projects", sa.Column("fields", sa.Text, nullable=False, server_default="[]"))
