"""Searches through hyper-parameters, as Optuna keeps them, beside labelloop's own tables."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import create_engine, delete, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigurationError, DatabaseUnavailable
from .move import copy_tables, reading
from .sqlite_file import SqliteFile

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

__all__ = ["StudyStore"]

BUSY_TIMEOUT_S = 30


class StudyStore:
    """The place of the studies that belong to a database: a separate schema in PostgreSQL, a file beside SQLite's.

    Optuna keeps a table `alembic_version`, as labelloop does, so the two cannot share a schema.

    Args:
        database_url: of labelloop's own tables.

    Attributes:
        SCHEMA: the name of the schema.
        file: the file; None with PostgreSQL.
        url: under which Optuna finds its tables.
    """

    SCHEMA: ClassVar[str] = "labelloop_tuning"

    def __init__(self, database_url: str) -> None:
        self._database = make_url(database_url)
        database = SqliteFile.path_of(self._database)
        self.file = None if database is None else self.file_beside(database)
        if self.file is not None:
            self.url = f"sqlite:///{self.file}"
        else:
            given = self._database.query.get("options", ())
            options = " ".join([*([given] if isinstance(given, str) else given), f"-csearch_path={self.SCHEMA}"])
            whole = self._database.update_query_dict({"options": options})
            self.url = whole.render_as_string(hide_password=False)

    @staticmethod
    def file_beside(database: Path) -> Path:
        """Return the file of the studies that belong to a SQLite file."""
        return database.with_name(f"{database.stem}-tuning.db")

    def exists(self) -> bool:
        """True where there has been a search."""
        if self.file is not None:
            return self.file.exists()
        engine = create_engine(self._database)
        try:
            return inspect(engine).has_table("studies", schema=self.SCHEMA)
        finally:
            engine.dispose()

    def open(
        self, *, dead_after_s: float, on_dead: "Callable[[Study, FrozenTrial], None] | None" = None
    ) -> "RDBStorage":
        """Return Optuna's storage, whose tables are made where they are missing; by one process at a time, please.

        Args:
            dead_after_s: time without a sign of life of a trial's worker after which the trial counts as failed.
            on_dead: called with the study and the trial where that happens.

        Raises:
            ConfigurationError: another release of Optuna made the tables.
            DatabaseUnavailable: the database does not answer.
        """
        import optuna
        from optuna.exceptions import ExperimentalWarning, StorageInternalError
        from optuna.storages import RDBStorage

        # What it would log are the same facts that labelloop reports, for every trial.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            self._make_schema()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    self.url,
                    {"connect_args": {"timeout": BUSY_TIMEOUT_S}} if self.file else {"pool_pre_ping": True},
                    heartbeat_interval=max(1, int(dead_after_s / 6)),
                    grace_period=max(1, int(dead_after_s)),
                    heartbeat_stale_trial_callback=on_dead,
                )
        except (SQLAlchemyError, StorageInternalError) as error:
            raise DatabaseUnavailable(f"the searches in {self._shown} cannot be read: {error}") from error
        except RuntimeError as error:
            raise ConfigurationError(f"the searches in {self._shown} cannot be used: {error}") from error

    @contextmanager
    def copy_to(self, other: "StudyStore") -> Iterator[Mapping[str, int]]:
        """Copy all studies into a store that holds none, committed with the end of the block; rows per table.

        Raises:
            StateError: the other one holds some already.
        """
        if not self.exists():
            yield {}
            return
        # Reflected tables would lose PostgreSQL's types, and Optuna exports its own nowhere else.
        from optuna.storages._rdb.models import BaseModel

        tables = BaseModel.metadata.sorted_tables
        for store in (self, other):
            store.open(dead_after_s=1).engine.dispose()  # sees that the tables are there, and of this release's form
        engine = create_engine(other.url)
        try:
            with reading(self.url) as source, engine.begin() as target:
                # What Optuna writes into a store that it has just made.
                target.execute(delete(BaseModel.metadata.tables["version_info"]))
                yield copy_tables(source, target, tables)
        finally:
            engine.dispose()

    def _make_schema(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            return
        engine = create_engine(self._database)
        try:
            with engine.begin() as connection:
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {self.SCHEMA}"))
        finally:
            engine.dispose()

    @property
    def _shown(self) -> str:
        return str(self.file) if self.file else f"schema {self.SCHEMA} of {self._database.render_as_string()}"
