"""Who asked for a promotion; nobody wrote that down before."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("promotions", sa.Column("actor", sa.String(255), nullable=False, server_default=""))
