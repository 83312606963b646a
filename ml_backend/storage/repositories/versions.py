"""Store the registered model versions and which of them served, in case the registry is lost."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select, update

from ...domain.model import Method, ModelVersion, version_name
from ..tables import model_versions
from .base import Repository, insert_for

__all__ = ["VersionRepository"]


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
        return self._found(model_versions.c.project_key == project_key)

    def find(self, version: str) -> ModelVersion | None:
        """Return a version by its name; None where there is none."""
        key, _, number = version.rpartition("-v")
        if not number.isdecimal():
            return None
        return next(iter(self._found(_is(key, int(number)))), None)

    def last_number(self, project_key: str) -> int:
        """Return the highest number that a project has used, 0 where there is none."""
        statement = select(func.max(model_versions.c.number)).where(model_versions.c.project_key == project_key)
        with self._engine.connect() as connection:
            return connection.execute(statement).scalar() or 0

    def project_keys(self) -> list[str]:
        """Return the keys of the projects that have versions."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(model_versions.c.project_key).distinct()).scalars())

    def served(self, project_key: str) -> list[ModelVersion]:
        """Return the champion and the versions before it, without those rolled back: after v1, v2, back to v1: v1."""
        condition = and_(model_versions.c.project_key == project_key, model_versions.c.served_as.is_not(None))
        return self._found(condition, order=model_versions.c.served_as)

    def serve(self, version: ModelVersion) -> None:
        """Record that a version serves from now on. If it served before, the versions after it count as rolled back."""
        table, is_it = model_versions, _is(version.project_key, version.number)
        of_project = table.c.project_key == version.project_key
        with self._engine.begin() as connection:
            # In SQLite, a transaction that reads first cannot write once another process has written.
            self._add(connection, [_values(version)])
            served_as = connection.execute(select(table.c.served_as).where(is_it)).scalar()
            if served_as is not None:
                later = and_(of_project, table.c.served_as > served_as)
                connection.execute(update(table).where(later).values(served_as=None))
                return
            newest = connection.execute(select(func.max(table.c.served_as)).where(of_project)).scalar() or 0
            connection.execute(update(table).where(is_it).values(served_as=newest + 1))

    def serve_none(self, project_key: str) -> None:
        """Record that the cold start serves again."""
        condition = model_versions.c.project_key == project_key
        with self._engine.begin() as connection:
            connection.execute(update(model_versions).where(condition).values(served_as=None))

    def _add(self, connection: Connection, rows: list[dict[str, object]]) -> None:
        connection.execute(insert_for(self._engine, model_versions).on_conflict_do_nothing(), rows)

    def _found(
        self, condition: ColumnElement[bool], *, order: ColumnElement[int] = model_versions.c.number
    ) -> list[ModelVersion]:
        statement = select(model_versions).where(condition).order_by(order.desc())
        with self._engine.connect() as connection:
            return [_version(row) for row in connection.execute(statement).mappings()]


def _is(key: str, number: int) -> ColumnElement[bool]:
    return and_(model_versions.c.project_key == key, model_versions.c.number == number)


def _values(version: ModelVersion) -> dict[str, object]:
    return {
        "project_key": version.project_key,
        "number": version.number,
        "method": version.method,
        "snapshot_id": version.snapshot_id,
        "path": str(version.path),
        "run_id": version.run_id,
        "label_config_fingerprint": version.label_config_fingerprint,
        "metrics": dict(version.metrics),
        "created_at": version.created_at,
    }


def _version(row: RowMapping) -> ModelVersion:
    values = {name: row[name] for name in row if name != "served_as"}
    name = version_name(row["project_key"], row["number"])
    return ModelVersion(**values | {"name": name, "method": Method(row["method"]), "path": Path(row["path"])})
