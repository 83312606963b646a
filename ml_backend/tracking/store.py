"""MLflow's own database, as tables: for copying all of it into another one, or to another place on disk."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Inspector, MetaData, Table, delete, event, func, or_, select, update

from ..errors import StateError
from .connection import MlflowConnection

__all__ = ["MlflowTables"]

VERSION_TABLE = "alembic_version"
# What MLflow writes into a database that it has just made: an experiment and a workspace, both the default ones.
ROWS_OF_A_NEW_STORE = {"experiments": 1, "workspaces": 1}
# Columns that say where files lie. Where the rows of a dataset came from stays: it is history, and may lie anywhere.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
    ("workspaces", "default_artifact_root"),
)


class MlflowTables:
    """The tables of one MLflow database.

    Attributes:
        tables: in the order in which they refer to each other, of types that every engine knows.
    """

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection
        self.tables = _reflected(connection)

    @staticmethod
    def make(uri: str) -> None:
        """Let MLflow make its tables in a database, or see that those there are of its version.

        Raises:
            TrackingError: they are of another version, or the database does not answer.
        """
        with MlflowConnection(uri).calls():
            pass

    def empty(self) -> None:
        """Take away what MLflow writes into a new database.

        Raises:
            StateError: there is more than that.
        """
        for table in self.tables:
            count = self._connection.execute(select(func.count()).select_from(table)).scalar_one()
            if count > ROWS_OF_A_NEW_STORE.get(table.name, 0):
                url = self._connection.engine.url.render_as_string()
                raise StateError(f"MLflow's table {table.name} in {url} holds rows already; wanted an empty database")
        for table in reversed(self.tables):
            if table.name in ROWS_OF_A_NEW_STORE:
                self._connection.execute(delete(table))

    def move_paths(self, old: Path, new: Path) -> int:
        """Make every stored place below one folder a place below another; returns how many there were."""
        tables = {table.name: table for table in self.tables}
        changed = 0
        for table_name, column_name in PLACES:
            table = tables.get(table_name)
            if table is None or column_name not in table.c:
                continue  # another version of MLflow
            column = table.c[column_name]
            for before, after in ((old.as_uri(), new.as_uri()), (str(old), str(new))):
                is_below = or_(column == before, func.substr(column, 1, len(before) + 1) == f"{before}/")
                moved = update(table).where(is_below).values({column: after + func.substr(column, len(before) + 1)})
                changed += self._connection.execute(moved).rowcount
        return changed


def _reflected(connection: DatabaseConnection) -> list[Table]:
    """Return MLflow's tables in the order in which they refer to each other, of types that every engine knows."""
    metadata = MetaData()

    @event.listens_for(metadata, "column_reflect")
    def generalise(_inspector: Inspector, _table: Table, column: Any) -> None:
        column["type"] = column["type"].as_generic()
        if hasattr(column["type"], "none_as_null"):
            column["type"].none_as_null = True  # no value is to stay no value, rather than become JSON's `null`

    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != VERSION_TABLE]
