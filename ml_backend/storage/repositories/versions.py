"""Store model versions, promotions, and which version serves each project: what these rows say is what serves."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    RowMapping,
    Table,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...domain.model import Method, ModelVersion, Promotion, PromotionState
from ...errors import ModelNotFound, PromotionError
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["PromotionRepository", "VersionRepository"]

model_versions = Table(
    "model_versions",
    metadata,
    Column("project_key", String(255), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("method", String(16), nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("label_config_fingerprint", String(64), nullable=False),
    Column("metrics", JSON, nullable=False),
    # Of the bundle; None for versions made before it was stored here.
    Column("digest", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    # The champion has the project's highest number, the version before it the next lower one; None: not in the order.
    Column("served_as", Integer),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False),
    Column("version", String(255), nullable=False),
    Column("previous", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_forced", Boolean, nullable=False),
    # None for promotions begun before jobs were remembered here.
    Column("job_id", Integer),
    # "" for promotions begun before it was written down.
    Column("actor", String(255), nullable=False, server_default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_promotions_project_id", "project_id", "id"),
    # One promotion at a time per project: two would disagree on what serves in the end.
    Index(
        "uq_promotions_open",
        "project_id",
        unique=True,
        sqlite_where=text("state IN ('intent', 'pushed', 'committed') AND project_id <> 0"),
        postgresql_where=text("state IN ('intent', 'pushed', 'committed') AND project_id <> 0"),
    ),
)

steps = Table(
    "steps",
    metadata,
    # What is done once in the life of a database, and cannot be done by a migration.
    Column("name", String(64), primary_key=True),
    Column("done_at", UtcDateTime, nullable=False),
)

COPIED_FROM_MLFLOW = "versions_copied_from_mlflow"
OPEN = tuple(state for state in PromotionState if state.is_open)

LONGEST_NUMBER = 9
"""Digits of a version's number, of which an integer column of PostgreSQL holds that many in any case."""


class VersionRepository(Repository):
    """Stores versions. A row never changes, except for its place in the order in which versions served."""

    def add(self, new: Iterable[ModelVersion]) -> None:
        """Add versions; known ones stay unchanged."""
        rows = [_values(version) for version in new]
        if rows:
            with self._engine.begin() as connection:
                self._add(connection, rows)

    def all(self, project_key: str) -> list[ModelVersion]:
        """Return the versions of a project, newest first."""
        return [version for version, _ in self._of(project_key)]

    def find(self, name: str) -> ModelVersion | None:
        """Return a version by its name; None where there is none."""
        key, _, number = name.rpartition("-v")
        if not number.isdecimal() or len(number) > LONGEST_NUMBER:
            return None
        found = self._of(key, model_versions.c.number == int(number))
        return next((version for version, _ in found if version.name == name), None)

    def project_keys(self) -> list[str]:
        """Return the keys of the projects that have versions, in alphabetical order."""
        return sorted(row["project_key"] for row in self._rows(select(model_versions.c.project_key).distinct()))

    def served(self, project_key: str) -> list[ModelVersion]:
        """Return the champion and the versions before it, without those rolled back: after v1, v2, back to v1: v1."""
        served = self._of(project_key, model_versions.c.served_as.is_not(None))
        places = [(place, version) for version, place in served if place is not None]
        return [version for _, version in sorted(places, key=lambda each: each[0], reverse=True)]

    def champions(self) -> Mapping[str, str]:
        """Return the name of each project's champion by the project's key; projects without one are absent."""
        statement = (
            select(model_versions.c.project_key, model_versions.c.number)
            .where(model_versions.c.served_as.is_not(None))
            .order_by(model_versions.c.served_as)
        )
        # The last one of a project is its champion.
        names = ((row["project_key"], ModelVersion.name_of(**row)) for row in self._rows(statement))
        return dict(names)

    def serve(self, project_key: str, name: str) -> None:
        """Let a version, or the cold start, serve. A promotion does so within the step that commits it instead.

        Raises:
            ModelNotFound: the version has no row.
        """
        with self._engine.begin() as connection:
            _let_serve(connection, project_key, name)

    def are_complete(self) -> bool:
        """Return whether `complete` has run on this database."""
        return bool(self._rows(select(steps.c.name).where(steps.c.name == COPIED_FROM_MLFLOW)))

    def complete(self, entries: Iterable[ModelVersion]) -> None:
        """Add what MLflow knows, and let its champions serve in the projects in which the rows name none. Runs once.

        Args:
            entries: the versions there; `is_champion` says that they hold the alias.
        """
        versions = list(entries)
        once = self._insert(steps).values(name=COPIED_FROM_MLFLOW, done_at=self._now())
        with self._engine.begin() as connection:
            if connection.execute(once.on_conflict_do_nothing().returning(steps.c.name)).first() is None:
                return  # another process was quicker, and somebody may have promoted a version since
            if versions:
                self._add(connection, [_values(version) for version in versions])
            named = select(model_versions.c.project_key).where(model_versions.c.served_as.is_not(None))
            decided = set(connection.execute(named).scalars())
            for version in versions:
                if version.is_champion and version.project_key not in decided:
                    _let_serve(connection, version.project_key, version.name)

    def _add(self, connection: Connection, rows: list[dict[str, object]]) -> None:
        connection.execute(self._insert(model_versions).on_conflict_do_nothing(), rows)

    def _of(self, project_key: str, *wanted: ColumnElement[bool]) -> list[tuple[ModelVersion, int | None]]:
        """Return the versions of a project, newest first, each with its place in the order in which they served."""
        table, of_project = model_versions, model_versions.c.project_key == project_key
        ends = select(func.max(table.c.number).label("newest"), func.max(table.c.served_as).label("last"))
        newest, last = next((row["newest"], row["last"] or 0) for row in self._rows(ends.where(of_project)))
        rows = self._rows(select(table).where(of_project, *wanted).order_by(table.c.number.desc()))
        return [
            (_version(row, is_champion=place == last, is_challenger=row["number"] == newest), place)
            for row in rows
            for place in [row["served_as"]]
        ]


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
        actor: str = "",
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
            actor=actor,
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
        this = update(promotions).where(promotions.c.id == promotion.id)
        self._write(this.values(state=state, updated_at=self._now()))
        return self.get(promotion.id)

    def commit(self, promotion: Promotion, project_key: str) -> Promotion:
        """Let the version serve and record that this is done, both or neither: the commit point of a promotion.

        Raises:
            ModelNotFound: the version has no row.
        """
        done = update(promotions).where(promotions.c.id == promotion.id)
        with self._engine.begin() as connection:
            connection.execute(done.values(state=PromotionState.COMMITTED, updated_at=self._now()))
            _let_serve(connection, project_key, promotion.version)
        return self.get(promotion.id)

    def get(self, promotion_id: int) -> Promotion:
        """The promotion."""
        (row,) = self._rows(select(promotions).where(promotions.c.id == promotion_id))
        return _promotion(row)

    def of_job(self, job_id: int) -> Promotion | None:
        """The promotion that a job began."""
        statement = select(promotions).where(promotions.c.job_id == job_id).order_by(promotions.c.id.desc()).limit(1)
        return next(map(_promotion, self._rows(statement)), None)

    def open(self, project_id: int) -> Promotion | None:
        """The project's promotion that is not finished."""
        return next((promotion for promotion in self.all_open() if promotion.project_id == project_id), None)

    def all_open(self) -> list[Promotion]:
        """Every promotion that is not finished, oldest first."""
        statement = select(promotions).where(promotions.c.state.in_(OPEN)).order_by(promotions.c.id)
        return [_promotion(row) for row in self._rows(statement)]

    def history(self, project_id: int, limit: int | None = None) -> list[Promotion]:
        """Return the project's promotions, newest first.

        Args:
            limit: the greatest number to return; None: all.
        """
        of_project = select(promotions).where(promotions.c.project_id == project_id)
        statement = of_project.order_by(promotions.c.id.desc()).limit(limit)
        return [_promotion(row) for row in self._rows(statement)]


def _let_serve(connection: Connection, project_key: str, name: str) -> None:
    """Let a version serve within a transaction; a cold start by letting no version serve.

    If the version served before, those after it count as rolled back.

    Raises:
        ModelNotFound: the version has no row.
    """
    table, other = model_versions, model_versions.alias()
    of_project = table.c.project_key == project_key
    if ModelVersion.is_cold_start_name(name):
        connection.execute(update(table).where(of_project).values(served_as=None))
        return
    number = int(name.rpartition("-v")[2])
    place = select(other.c.served_as).where(other.c.project_key == project_key, other.c.number == number)
    free = select(func.coalesce(func.max(other.c.served_as), 0) + 1).where(other.c.project_key == project_key)
    later = update(table).where(of_project, table.c.served_as > place.scalar_subquery())
    this = update(table).where(of_project, table.c.number == number)
    # Only statements that write: in SQLite, a transaction that reads first cannot write once another process has.
    connection.execute(later.values(served_as=None))
    served_as = func.coalesce(table.c.served_as, free.scalar_subquery())
    if not connection.execute(this.values(served_as=served_as)).rowcount:
        raise ModelNotFound(f"{name} has no row in the database, so it cannot serve")


def _values(version: ModelVersion) -> dict[str, object]:
    names = (column.name for column in model_versions.c if column.name != "served_as")
    values = {name: getattr(version, name) for name in names}
    return values | {"path": str(version.path), "metrics": dict(version.metrics)}


def _version(row: RowMapping, **flags: bool) -> ModelVersion:
    values = {name: row[name] for name in row if name != "served_as"}
    name = ModelVersion.name_of(row["project_key"], row["number"])
    return ModelVersion(**values | flags | {"name": name, "method": Method(row["method"]), "path": Path(row["path"])})


def _promotion(row: RowMapping) -> Promotion:
    return Promotion(**dict(row) | {"state": PromotionState(row["state"])})
