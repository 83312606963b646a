"""Store hints: claims of events about projects that Label Studio's API has not confirmed yet."""

from sqlalchemy import delete, select

from ...domain.hint import Hint, HintKind
from ..tables import hints
from .base import Repository

__all__ = ["HintRepository"]


class HintRepository(Repository):
    """Stores hints, one row per kind and project, however often events claimed it."""

    def put(self, project_id: int, kind: HintKind) -> None:
        """Store a hint of this kind."""
        statement = self._insert(hints).values(project_id=project_id, kind=kind, told_at=self._now())
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["project_id", "kind"], set_={"told_at": statement.excluded.told_at}
                )
            )

    def find(self, project_id: int, kind: HintKind) -> Hint | None:
        """Return the hint; None where there is none."""
        statement = select(hints.c.told_at).where(hints.c.project_id == project_id, hints.c.kind == kind)
        with self._engine.connect() as connection:
            told_at = connection.execute(statement).scalar()
        return Hint(project_id, kind, told_at) if told_at else None

    def settle(self, hint: Hint) -> None:
        """Delete a hint about which Label Studio was asked, unless an event repeated it meanwhile."""
        is_it = (hints.c.project_id == hint.project_id) & (hints.c.kind == hint.kind)
        with self._engine.begin() as connection:
            connection.execute(delete(hints).where(is_it, hints.c.told_at == hint.told_at))
