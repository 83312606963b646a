"""Who holds an alias, read from MLflow's database without MLflow, whose import takes seconds and 100 MB.

A serving process asks nothing else of the registry. What is read here is MLflow's own rows, so MLflow stays the truth;
wherever they do not look as they should, it is asked itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ..errors import TrackingError

__all__ = ["AliasTable", "Holder", "NotReadable"]

DEFAULT_WORKSPACE = "default"
DELETED = "Deleted_Internal"


class NotReadable(TrackingError):
    """Only MLflow itself can tell."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A registered version, with the names that MLflow's own object of it has.

    Attributes:
        aliases: all of the model's, with the number of the version that holds each.
    """

    name: str
    version: int
    source: str
    run_id: str
    creation_timestamp: int
    tags: Mapping[str, str]
    aliases: Mapping[str, int]


class AliasTable:
    """Aliases in a database of MLflow. Safe to use from several threads.

    Args:
        uri: as MLflow takes it; that of a server is never readable.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def holder(self, name: str, alias: str) -> Holder | None:
        """The version of a registered model that holds an alias; None where there is none, or no such model.

        Raises:
            NotReadable: this is no database, or it is not as expected.
        """
        try:
            if self._is_missing:
                return None
            return self._read(name, alias)
        except (SQLAlchemyError, ImportError, LookupError, TypeError, ValueError) as error:
            raise NotReadable(
                f"MLflow's tables cannot be read ({type(error).__name__}); MLflow itself can tell"
            ) from None

    @property
    def _is_missing(self) -> bool:
        """True for a SQLite file that nobody has made yet; to open it would make it."""
        if self._url.get_backend_name() != "sqlite":
            return False
        if self._url.database in (None, "", ":memory:"):
            raise ValueError(f"{self._uri} is in the memory of whoever opened it")
        return not Path(str(self._url.database)).exists()

    @cached_property
    def _url(self) -> URL:
        return make_url(self._uri)

    @cached_property
    def _engine(self) -> Engine:
        # Asked twice a minute: a connection that waits in between would only be cut by the server.
        return create_engine(self._url, poolclass=NullPool)

    def _read(self, name: str, alias: str) -> Holder | None:
        with self._engine.connect() as connection:

            def rows(query: str, **values: object) -> list[Mapping[str, Any]]:
                found = connection.execute(text(query), {"name": name, **values}).mappings()
                return [_of_default_workspace({**row}) for row in found]

            aliases = {
                row["alias"]: int(row["version"])
                for row in rows("SELECT * FROM registered_model_aliases WHERE name = :name")
            }
            if alias not in aliases:
                return None
            version = aliases[alias]
            [row] = rows("SELECT * FROM model_versions WHERE name = :name AND version = :version", version=version)
            tags = rows("SELECT * FROM model_version_tags WHERE name = :name AND version = :version", version=version)
        if row["current_stage"] == DELETED:
            raise LookupError(f"version {version} of {name} is deleted")
        return Holder(
            name=name,
            version=version,
            source=str(row["source"]),
            run_id=str(row["run_id"]),
            creation_timestamp=int(row["creation_time"]),
            tags={tag["key"]: tag["value"] for tag in tags},
            aliases=aliases,
        )


def _of_default_workspace(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row, where the same name can mean only one model; early releases of MLflow 3 know no workspaces."""
    workspace = row.get("workspace", DEFAULT_WORKSPACE)
    if workspace != DEFAULT_WORKSPACE:
        raise LookupError(f"there are workspaces, such as {workspace}")
    return row
