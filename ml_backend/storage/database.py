"""Opening the database: the right settings per engine, and migrations to the newest schema."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from ..errors import ConfigurationError, DatabaseUnavailable
from ..file_locks import file_lock
from .locks import Locks
from .repositories.acceptances import AcceptanceRepository
from .repositories.audit_log import AuditRepository
from .repositories.base import metadata
from .repositories.baselines import BaselineRepository
from .repositories.blind_answers import BlindAnswerRepository
from .repositories.certificates import CertificateRepository
from .repositories.drift_alarms import DriftAlarmRepository
from .repositories.events import EventRepository
from .repositories.fits import FitRepository
from .repositories.flags import FlagRepository
from .repositories.gates import GateRepository
from .repositories.hints import HintRepository
from .repositories.jobs import JobRepository
from .repositories.measurements import MeasurementRepository
from .repositories.project_settings import ProjectSettingRepository
from .repositories.projects import ProjectRepository
from .repositories.selections import SelectionRepository
from .repositories.snapshots import SnapshotRepository
from .repositories.source_switches import SourceSwitchRepository
from .repositories.splits import SplitRepository
from .repositories.users import UserRepository
from .repositories.versions import PromotionRepository, VersionRepository
from .repositories.votes import VoteRepository
from .sqlite_file import SqliteFile
from .use import FileUse

__all__ = ["Database", "open_database"]

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 5_000
"""The longest wait of SQLite for another writer. Transactions take about 0.1 s at most; Label Studio waits for 1 s."""
CONNECT_TIMEOUT_S = 10
WANTED = (
    "Wanted: a SQLAlchemy URL in LABELLOOP_DATABASE_URL whose server is up (PostgreSQL needs the extra "
    "labelloop[postgres])"
)
MIGRATION_LOCK = 0x1ABE1  # PostgreSQL advisory lock key: an arbitrary number that only labelloop uses


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


class Database:
    """The repositories of one database. Safe to share between threads.

    Attributes:
        use: what tells other processes that this one uses a SQLite file; None for other databases.
    """

    METADATA: ClassVar = metadata
    """The tables of all repositories."""

    def __init__(self, engine: Engine, use: FileUse | None, clock: Callable[[], datetime]) -> None:
        self.engine, self.use = engine, use
        self.projects = ProjectRepository(engine, clock)
        self.settings = ProjectSettingRepository(engine, clock)
        self.events = EventRepository(engine, clock)
        self.hints = HintRepository(engine, clock)
        self.jobs = JobRepository(engine, clock)
        self.snapshots = SnapshotRepository(engine, clock)
        self.selections = SelectionRepository(engine, clock)
        self.source_switches = SourceSwitchRepository(engine, clock)
        self.splits = SplitRepository(engine, clock)
        self.gates = GateRepository(engine, clock)
        self.promotions = PromotionRepository(engine, clock)
        self.versions = VersionRepository(engine, clock)
        self.flags = FlagRepository(engine, clock)
        self.fits = FitRepository(engine, clock)
        self.certificates = CertificateRepository(engine, clock)
        self.acceptances = AcceptanceRepository(engine, clock)
        self.blind_answers = BlindAnswerRepository(engine, clock)
        self.drift_alarms = DriftAlarmRepository(engine, clock)
        self.users = UserRepository(engine, clock)
        self.audit_log = AuditRepository(engine, clock)
        self.baselines = BaselineRepository(engine, clock)
        self.measurements = MeasurementRepository(engine, clock)
        self.votes = VoteRepository(engine, clock)
        self.locks = Locks(engine)

    def alone(self) -> AbstractContextManager[None]:
        """A block during which no other process uses the database.

        Raises:
            StateError: another one does; raised as the block is entered.
        """
        return self.use.alone() if self.use else FileUse.alone_without_file(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if self.use:
            self.use.close()


def open_database(url: str, clock: Callable[[], datetime], *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Open the database at a SQLAlchemy URL; create it, or migrate it to the newest schema.

    Args:
        busy_timeout_ms: how long a statement waits for a SQLite file to which another process writes.

    Raises:
        ConfigurationError: the URL is malformed, the server refuses it, or a newer labelloop made the database.
        DatabaseUnavailable: nothing answers there, or the database is locked or cannot be written.
        StateError: another process has exclusive use of it.
    """
    use = None
    try:
        engine = _engine(url, busy_timeout_ms)
        try:
            file = SqliteFile.path_of(engine.url)
            use = FileUse(file) if file else None
            with _one_migration_at_a_time(engine) as connection:
                _migrate(connection)
            _stay_with_file(engine)
        except BaseException:
            engine.dispose()
            if use:
                use.close()
            raise
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error}. {WANTED}", is_passing=error.is_passing) from error
    except (SQLAlchemyError, ModuleNotFoundError, OSError) as error:
        raise ConfigurationError(f"cannot open the database: {type(error).__name__}: {error}. {WANTED}") from error
    return Database(engine, use, clock)


def _migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision.

    Raises:
        ConfigurationError: a newer labelloop made the database.
    """
    # Every process comes by here, and Alembic takes longer to import than all else that starting takes.
    if _revision(connection) == _newest_revision():
        return
    import alembic.command
    import alembic.config
    from alembic.util import CommandError

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigurationError(
            f"the database has a schema that this version does not know ({error}); a newer labelloop made it: install "
            "that one again, or name another database in LABELLOOP_DATABASE_URL"
        ) from error


def _newest_revision() -> str:
    """Return the number that the newest migration has, as its file's name says."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    """The last migration that a database has seen; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _engine(url: str, busy_timeout_ms: int) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        limits = {"connect_timeout": CONNECT_TIMEOUT_S} if parsed.get_backend_name() == "postgresql" else {}
        engine = create_engine(url, pool_pre_ping=True, connect_args=limits)
        _tell_faults(engine)
        if limits:
            event.listen(engine, "connect", _end_with_machine)
        return engine
    engine = create_engine(url)
    _tell_faults(engine)
    if file := SqliteFile.path_of(engine.url):
        file.parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transactions leave out DDL; with ours, a migration is applied whole or not at all.
        connection.isolation_level = None
        cursor = connection.cursor()
        # WAL lets the server read and write while a training child writes; NORMAL is safe with WAL.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"busy_timeout = {busy_timeout_ms}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _end_with_machine(connection: Any, _record: Any) -> None:
    """Let PostgreSQL end the session within a minute where the machine with its other end is lost, or its link.

    Otherwise it keeps the session's locks until TCP gives up, two hours by default, and the next attempt waits.
    """
    cursor = connection.cursor()
    for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
        cursor.execute(f"SET tcp_keepalives_{name} = {value}")
    cursor.close()
    connection.commit()


def _stay_with_file(engine: Engine) -> None:
    """Refuse everything once the opened file is gone or another one has taken its place."""
    if file := SqliteFile.path_of(engine.url):
        opened = SqliteFile(file)
        # Checked before each connection, which would create a new file, and before each transaction.
        event.listen(engine, "do_connect", lambda *_: opened.check())
        event.listen(engine, "begin", lambda _connection: opened.check(), insert=True)


@contextmanager
def _one_migration_at_a_time(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction, held by one process at a time: server, worker and jobs start together."""
    with ExitStack() as stack:
        if file := SqliteFile.path_of(engine.url):
            stack.enter_context(file_lock(file.with_name(f"{file.name}.lock")))
        connection = stack.enter_context(engine.begin())
        if engine.dialect.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        yield connection


def _tell_faults(engine: Engine) -> None:
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
    first_line = str(error).strip().partition("\n")[0]
    return DatabaseUnavailable(
        f"the database {url.render_as_string()} cannot be used now ({first_line}); {advice}",
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
