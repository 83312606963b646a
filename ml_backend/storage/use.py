"""Locks that say which processes use a database, so that nobody moves it while one does."""

import fcntl
import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from ..errors import StateError

__all__ = ["FileUse"]

log = logging.getLogger(__name__)

READABLE_AND_WRITABLE = 0o666  # what the umask leaves of it, as for any file
OTHERS = "another process uses {database}; stop `labelloop serve`, workers and running jobs first, then try again"


class FileUse:
    """A shared lock beside a SQLite file, held until `close()` or until the process is gone.

    Child processes do not inherit it. A file system that knows no locks does not keep anybody from working: then only
    a warning says that others cannot see it.

    Raises:
        StateError: another process works alone on the database.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = database.with_name(f"{database.name}.use")
        self._descriptor: int | None = None
        try:
            self._descriptor = _opened(self._lock)
            # A finalizer, because not everybody who opens a database closes it.
            self._close = weakref.finalize(self, os.close, self._descriptor)
            self._close.atexit = False
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StateError(
                f"{database} is being moved by another process; wait for its end, then start with the settings that "
                "it prints"
            ) from None
        except OSError as error:
            self.close()
            log.warning(
                "%s cannot be locked (%s), so others cannot see that this process uses %s: end it before you move the "
                "state elsewhere",
                self._lock,
                error.strerror,
                database,
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process uses the database during the block, and none can open it.

        Raises:
            StateError: another one does, or the file system cannot say.
        """
        if self._descriptor is None:
            raise StateError(
                f"{self._lock} cannot be locked, so nobody can say whether another process uses {self._database}; make "
                "the file and its folder writable, on a file system that knows locks"
            )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)  # a failed attempt may lose the shared one
            raise StateError(OTHERS.format(database=self._database)) from None
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    @staticmethod
    @contextmanager
    def alone_without_file(engine: Engine) -> Iterator[None]:
        """Check that nobody else is connected to a database that is not a file, as far as its server can tell.

        Raises:
            StateError: somebody is.
        """
        if engine.dialect.name != "postgresql":
            yield  # in memory, so nobody else's
            return
        others = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        with engine.connect() as connection:
            if connection.execute(others).scalar_one():
                raise StateError(OTHERS.format(database=engine.url.render_as_string()))
        yield

    def close(self) -> None:
        """Stop using it. Closed rather than unlocked, since a forked process shares the lock."""
        if self._descriptor is not None:
            self._close()
            self._descriptor = None


def _opened(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, READABLE_AND_WRITABLE)
    except PermissionError:
        # Another user's file: reading it is enough to share the lock.
        return os.open(lock, os.O_RDONLY)
