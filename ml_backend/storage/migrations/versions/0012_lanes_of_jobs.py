"""A job's lane says beside which jobs of its project it may run, so that no index names a kind of job."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("lane", sa.String(32), nullable=False, server_default="project"))
    op.execute("UPDATE jobs SET lane = 'audit' WHERE kind = 'audit'")
    for name in ("uq_jobs_running", "uq_jobs_auditing"):
        op.drop_index(name, table_name="jobs")
    is_limited = sa.text("state = 'running' AND project_id <> 0")
    op.create_index(
        "uq_jobs_running",
        "jobs",
        ["project_id", "lane"],
        unique=True,
        sqlite_where=is_limited,
        postgresql_where=is_limited,
    )
