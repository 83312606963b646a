"""Keep, of gates that kept the champion, how far each test row moved the challenger's lead."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("gates", sa.Column("evidence", sa.LargeBinary))
