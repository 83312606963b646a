"""Tell failures of a database, such as a locked file or a lost connection, from errors in the statement."""

import sqlite3

from sqlalchemy import URL, Engine, ExceptionContext, event
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from ..errors import DatabaseUnavailable

__all__ = ["tell_faults"]

TRY_AGAIN = "try again in some seconds; if it lasts, look at its server, and at what else uses it"
MEND_IT = "make room on its disk, or make it and its folder writable for this account"
RESTORE_IT = "put it back or restore a backup, then restart what uses it"
# SQLite's result codes, without the extended part in the higher bits.
SQLITE_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
SQLITE_LASTING = {
    sqlite3.SQLITE_FULL: MEND_IT,
    sqlite3.SQLITE_IOERR: MEND_IT,
    sqlite3.SQLITE_READONLY: MEND_IT,
    sqlite3.SQLITE_PERM: MEND_IT,
    sqlite3.SQLITE_CANTOPEN: MEND_IT,
    sqlite3.SQLITE_CORRUPT: RESTORE_IT,
    sqlite3.SQLITE_NOTADB: RESTORE_IT,
}
# Prefixes of PostgreSQL's codes: lost connections, exhausted resources, conflicting transactions, locks that were not
# granted in time, statements and sessions ended by an administrator, and a server that is no longer the primary.
POSTGRES_PASSING = ("08", "53", "40", "55P03", "57", "25006")
POSTGRES_DISK_FULL = "53100"
# A failed connection carries no code. Where the server did answer, the settings must change.
POSTGRES_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")


def tell_faults(engine: Engine) -> None:
    """Make the engine raise DatabaseUnavailable for failures of its database, whatever statement meets them."""

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> BaseException | None:
        is_wrong = isinstance(context.sqlalchemy_exception, DataError | IntegrityError | ProgrammingError)
        # A pre-ping only checks whether a connection still works; a new one is made where it does not.
        return None if is_wrong or context.is_pre_ping else _translated(context.original_exception, engine.url)


def _translated(error: BaseException, url: URL) -> DatabaseUnavailable | None:
    """Translate the error; None where the statement is to blame."""
    advice = _advice(error)
    if advice is None:
        return None
    return DatabaseUnavailable(
        f"the database {url.render_as_string()} cannot be used now ({_first_line(error)}); {advice}",
        is_passing=advice == TRY_AGAIN,
    )


def _advice(error: BaseException) -> str | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return TRY_AGAIN if code in SQLITE_PASSING else SQLITE_LASTING.get(code)
    code = getattr(error, "sqlstate", None)
    if code is None:
        is_refused = any(words in str(error) for words in POSTGRES_REFUSALS)
        return None if is_refused else TRY_AGAIN
    if code == POSTGRES_DISK_FULL:
        return MEND_IT
    return TRY_AGAIN if code.startswith(POSTGRES_PASSING) else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
