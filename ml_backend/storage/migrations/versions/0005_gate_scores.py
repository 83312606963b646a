"""Gates compare figures of any kind: what a decision calls its scores no longer names macro-F1."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

GATES = sa.table("gates", sa.column("id", sa.Integer), sa.column("decision", sa.JSON))
RENAMED = {"champion_macro_f1": "champion_score", "challenger_macro_f1": "challenger_score"}


def upgrade() -> None:
    connection = op.get_bind()
    for gate_id, decision in connection.execute(sa.select(GATES.c.id, GATES.c.decision)).all():
        renamed = {RENAMED.get(name, name): value for name, value in decision.items()} | {"metric": "macro-F1"}
        connection.execute(sa.update(GATES).where(GATES.c.id == gate_id).values(decision=renamed))
