"""SQLite files that hold what was computed or paid for once, and could be again."""

import logging
import sqlite3
from pathlib import Path

__all__ = ["open_cache"]

log = logging.getLogger(__name__)

WAIT_S = 30.0


def open_cache(path: Path, table: str) -> sqlite3.Connection:
    """Return a connection to a cache, made where there is none, or one that cannot be read. Processes may share it.

    Args:
        table: its only table, as `name (columns)`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, table)
    except sqlite3.DatabaseError as error:
        log.warning("%s is made anew, since it cannot be read: %s", path, error)
        path.unlink(missing_ok=True)
    return _open(path, table)


def _open(path: Path, table: str) -> sqlite3.Connection:
    cache = sqlite3.connect(path, timeout=WAIT_S)
    try:
        cache.execute("PRAGMA journal_mode = WAL")
        cache.execute("PRAGMA synchronous = NORMAL")
        with cache:
            cache.execute(f"CREATE TABLE IF NOT EXISTS {table}")
    except BaseException:
        cache.close()
        raise
    return cache
