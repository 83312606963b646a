"""Keep certificates, and which answers were accepted by them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    studio_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "certificates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", studio_id, nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("snapshot_id", sa.String(64), nullable=False),
        sa.Column("threshold", sa.Float),
        sa.Column("limit", sa.Float, nullable=False),
        sa.Column("delta", sa.Float, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("loss", sa.Float, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("audit_share", sa.Float, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ending", sa.Text, nullable=False),
        sa.Column("was_refuted", sa.Boolean, nullable=False),
    )
    op.create_index("ix_certificates_project_id", "certificates", ["project_id"])
    _unique_while("uq_certificates_in_force", "certificates", ["project_id"], "ended_at IS NULL")
    op.create_table(
        "acceptances",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", studio_id, nullable=False),
        sa.Column("certificate_id", sa.Integer, nullable=False),
        sa.Column("task_id", studio_id, nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("regions", sa.JSON, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("is_audit", sa.Boolean, nullable=False),
        sa.Column("annotation_id", studio_id),
        sa.Column("answered_at", sa.String(64)),
        sa.Column("is_wrong", sa.Boolean),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_acceptances_certificate_id", "acceptances", ["certificate_id"])
    op.create_index("ix_acceptances_annotation_id", "acceptances", ["project_id", "annotation_id"])
    _unique_while("uq_acceptances_open", "acceptances", ["project_id", "task_id", "version"], "undone_at IS NULL")


def _unique_while(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, table, columns, unique=True, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
    )
