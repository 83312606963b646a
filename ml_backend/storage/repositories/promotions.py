"""Promotions, how far each got, and the step that lets a version serve."""

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.model import Promotion, PromotionState
from ...errors import PromotionError
from ..tables import promotions
from .base import Repository
from .versions import let_serve

__all__ = ["PromotionRepository"]

OPEN = tuple(state for state in PromotionState if state.is_open)


class PromotionRepository(Repository):
    """One open promotion per project at a time."""

    def begin(
        self,
        project_id: int,
        version: str,
        *,
        previous: str,
        reason: str,
        is_forced: bool,
        job_id: int | None = None,
    ) -> Promotion:
        """Write the intent, before anything else is done.

        Raises:
            PromotionError: another promotion of the project is under way.
        """
        now = self._now()
        statement = insert(promotions).values(
            project_id=project_id,
            version=version,
            previous=previous,
            state=PromotionState.INTENT,
            reason=reason,
            is_forced=is_forced,
            job_id=job_id,
            created_at=now,
            updated_at=now,
        )
        try:
            with self._engine.begin() as connection:
                new_id = connection.execute(statement.returning(promotions.c.id)).scalar_one()
        except IntegrityError:
            under_way = self.open(project_id)
            other = under_way.version if under_way else "another version"
            raise PromotionError(
                f"{other} is being promoted in project {project_id}; wait for it to end (the worker finishes one "
                "that was interrupted), then try again"
            ) from None
        return self.get(new_id)

    def advance(self, promotion: Promotion, state: PromotionState) -> Promotion:
        """Record that a step is done."""
        with self._engine.begin() as connection:
            connection.execute(
                update(promotions).where(promotions.c.id == promotion.id).values(state=state, updated_at=self._now())
            )
        return self.get(promotion.id)

    def commit(self, promotion: Promotion, project_key: str) -> Promotion:
        """Let the version serve and record that this is done, both or neither: the commit point of a promotion.

        Raises:
            ModelNotFound: the version has no row.
        """
        done = update(promotions).where(promotions.c.id == promotion.id)
        with self._engine.begin() as connection:
            connection.execute(done.values(state=PromotionState.COMMITTED, updated_at=self._now()))
            let_serve(connection, project_key, promotion.version)
        return self.get(promotion.id)

    def get(self, promotion_id: int) -> Promotion:
        """The promotion."""
        with self._engine.connect() as connection:
            row = connection.execute(select(promotions).where(promotions.c.id == promotion_id)).mappings().one()
        return _promotion(row)

    def of_job(self, job_id: int) -> Promotion | None:
        """The promotion that a job began."""
        statement = select(promotions).where(promotions.c.job_id == job_id).order_by(promotions.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(statement).mappings().first()
        return _promotion(row) if row else None

    def open(self, project_id: int) -> Promotion | None:
        """The project's promotion that is not finished."""
        return next((promotion for promotion in self.all_open() if promotion.project_id == project_id), None)

    def all_open(self) -> list[Promotion]:
        """Every promotion that is not finished, oldest first."""
        statement = select(promotions).where(promotions.c.state.in_(OPEN)).order_by(promotions.c.id)
        with self._engine.connect() as connection:
            return [_promotion(row) for row in connection.execute(statement).mappings()]

    def history(self, project_id: int, limit: int | None = None) -> list[Promotion]:
        """Return the project's promotions, newest first.

        Args:
            limit: the greatest number to return; None: all.
        """
        of_project = select(promotions).where(promotions.c.project_id == project_id)
        statement = of_project.order_by(promotions.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_promotion(row) for row in connection.execute(statement).mappings()]


def _promotion(row: RowMapping) -> Promotion:
    return Promotion(**dict(row) | {"state": PromotionState(row["state"])})
