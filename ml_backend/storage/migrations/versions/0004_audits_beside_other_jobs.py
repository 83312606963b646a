"""An audit, which only reads and advises, may run beside the other work of its project."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("uq_jobs_running", table_name="jobs")
    for name, kind in (("uq_jobs_running", "kind <> 'audit'"), ("uq_jobs_auditing", "kind = 'audit'")):
        is_limited = sa.text(f"state = 'running' AND project_id <> 0 AND {kind}")
        op.create_index(name, "jobs", ["project_id"], unique=True, sqlite_where=is_limited, postgresql_where=is_limited)
