"""A SQLite file as a file: where it is, and a copy of it while others write to it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import DatabaseUnavailable, StateError

__all__ = ["SqliteFile"]


class SqliteFile:
    """A database of labelloop's or of MLflow's in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first = self._identity()

    @staticmethod
    def path_of(url: str | URL) -> Path | None:
        """Return the file behind a SQLAlchemy URL; None for anything but a SQLite database in a file."""
        try:
            parsed = make_url(url)
        except ArgumentError:
            return None
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:"
        return Path(str(parsed.database)) if is_file else None

    def check(self) -> None:
        """Check that the path leads to the same file as when this object was made; takes microseconds.

        SQLite does not check that: data written into a deleted or replaced file is lost when the last connection
        closes.

        Raises:
            DatabaseUnavailable: the file is gone, or another one has taken its place.
        """
        if self._identity() != self._first:
            raise DatabaseUnavailable(
                f"the database {self._path} is gone since this process opened it, or another file has taken its place; "
                "put it back, or restore a backup and start this process again",
                is_passing=False,
            )

    def copy_to(self, target: Path) -> None:
        """Copy a database as it is at one moment; nobody who uses it meanwhile has to stop.

        Raises:
            StateError: it cannot be read, or is damaged.
        """
        try:
            with (
                closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=rw", uri=True)) as live,
                closing(sqlite3.connect(target)) as copy,
            ):
                live.backup(copy)
                damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise StateError(f"{self._path} cannot be copied: {error}") from None
        if damage != "ok":
            raise StateError(f"{self._path} is damaged: {damage}; repair it, or restore an earlier backup")

    def schema_revision(self) -> str:
        """Return the migration that a database of ours or of MLflow has reached.

        Raises:
            StateError: it is another kind of database.
        """
        try:
            with closing(sqlite3.connect(self._path)) as connection:
                return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        except sqlite3.Error as error:
            raise StateError(f"{self._path.name} is no database that labelloop or MLflow has made ({error})") from None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
