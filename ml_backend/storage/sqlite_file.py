"""A SQLite file as a file: where it is, and a copy of it while others write to it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import DatabaseUnavailable, StateError

__all__ = ["OpenedFile", "copy_sqlite_file", "schema_revision", "sqlite_file"]


class OpenedFile:
    """Checks whether a path still leads to the file that this process opened there.

    SQLite does not check that: data written into a deleted or replaced file is lost when the last connection closes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._identity()

    def check(self) -> None:
        """Check that the file is there; takes microseconds.

        Raises:
            DatabaseUnavailable: the file is gone, or another one has taken its place.
        """
        if self._identity() != self._opened:
            raise DatabaseUnavailable(
                f"the database {self._path} is gone since this process opened it, or another file has taken its place; "
                "put it back, or restore a backup and start this process again",
                is_passing=False,
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino


def sqlite_file(url: str | URL) -> Path | None:
    """The file behind a SQLAlchemy URL; None for anything but a SQLite database in a file."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:"
    return Path(str(parsed.database)) if is_file else None


def copy_sqlite_file(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment; nobody who uses it meanwhile has to stop.

    Raises:
        StateError: it cannot be read, or is damaged.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise StateError(f"{source} cannot be copied: {error}") from None
    if damage != "ok":
        raise StateError(f"{source} is damaged: {damage}; repair it, or restore an earlier backup")


def schema_revision(file: Path) -> str:
    """The migration that a database of ours or of MLflow has reached.

    Raises:
        StateError: it is another kind of database.
    """
    try:
        with closing(sqlite3.connect(file)) as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StateError(f"{file.name} is no database that labelloop or MLflow has made ({error})") from None
