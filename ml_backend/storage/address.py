"""Check database URLs, so that an unusable one is reported before anything is opened."""

from collections.abc import Collection

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ..domain.addresses import without_password
from .sqlite_file import SqliteFile

__all__ = ["check_database_url"]

EXAMPLES = "such as sqlite:////data/labelloop.db or postgresql+psycopg://user:password@host/database"


def check_database_url(url: str, kinds: Collection[str]) -> None:
    """Raise a ValueError where this is not a SQLAlchemy URL of a database that outlives the process.

    Args:
        kinds: SQLAlchemy's names of the databases that are accepted.
    """
    shown = repr(without_password(url))
    try:
        parsed = make_url(url)
        is_async = parsed.get_dialect().is_async
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ValueError(f"{shown} found; wanted a SQLAlchemy URL, {EXAMPLES}") from error
    if parsed.get_backend_name() not in kinds or is_async:
        raise ValueError(f"{shown} found; wanted a URL of {' or '.join(kinds)} and of no asyncio driver, {EXAMPLES}")
    if parsed.get_backend_name() == "sqlite" and _is_in_memory(parsed):
        raise ValueError(
            f"{shown} is a database in memory: server, worker and jobs would each have a different one; wanted one "
            f"in a file, {EXAMPLES}"
        )


def _is_in_memory(parsed: URL) -> bool:
    file = SqliteFile.path_of(parsed)
    return file is None or ":memory:" in file.name or parsed.query.get("mode") == "memory"
