"""Flags say which control they are about: several are audited now. Older ones are about the first."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("flags", sa.Column("control", sa.Text, nullable=False, server_default=""))
