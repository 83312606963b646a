"""Votes of people on which of two drafts is better, given without knowing who wrote which."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
PAIR = ("project_key", "first", "second", "control", "snapshot_id")


def upgrade() -> None:
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer, primary_key=True),
        *_pair(),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("choice", sa.String(16), nullable=False),
        sa.Column("voted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("uq_votes_row", "votes", [*PAIR, "line", "person"], unique=True)
    op.create_table(
        "vote_ends",
        sa.Column("id", sa.Integer, primary_key=True),
        *_pair(),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("uq_vote_ends_pair", "vote_ends", [*PAIR, "person"], unique=True)


def _pair() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(64 if name == "snapshot_id" else 255), nullable=False) for name in PAIR]
