"""Store the split of each text that was seen, so that texts that resemble each other share one.

Existing projects keep the former rule, by which a text's own hash decides.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.add_column("projects", sa.Column("split_rule", sa.String(16), nullable=False, server_default="text"))
    op.create_table(
        "placed_texts",
        sa.Column("id", studio_id, primary_key=True),
        sa.Column("project_id", studio_id, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("split", sa.String(16), nullable=False),
    )
    op.create_index("uq_placed_texts_digest", "placed_texts", ["project_id", "digest"], unique=True)
    op.create_table(
        "placed_text_keys",
        sa.Column("project_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("text_id", studio_id, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "split_counts",
        sa.Column("project_id", studio_id, primary_key=True, autoincrement=False),
        sa.Column("split", sa.String(16), primary_key=True),
        sa.Column("texts", sa.Integer, nullable=False),
        sa.Column("not_by_hash", sa.Integer, nullable=False),
    )
