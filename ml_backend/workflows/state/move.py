"""Copy the state from one pair of databases into another, typically from SQLite files into PostgreSQL."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError

from ...errors import ConfigurationError, StateError
from ...storage.database import Database, open_database
from ...storage.move import check_database, copy_tables, reading
from ...storage.studies import StudyStore
from ...tracking.store import MlflowTables
from ..services import Services

__all__ = ["move_state"]

SERVER = ("http://", "https://")

Counts = Mapping[str, int]


def move_state(
    services: Services, present_mlflow: str, *, database: str | None, mlflow: str | None
) -> tuple[Counts, Counts]:
    """Copy the state into empty databases. The present ones are left as they are; both copies are kept, or neither is.

    Returns the rows per table of what was moved: of the state, searches through settings included, and of MLflow.

    Args:
        present_mlflow: SQLAlchemy URL of MLflow's store.
        database, mlflow: URLs of the two empty databases to fill; None for what stays where it is.

    Raises:
        StateError: another process uses the state, a job is running, or a target holds something.
        ConfigurationError: there is no target, both are the same, MLflow's is a server, or one cannot be opened.
        TrackingError: MLflow does not take a database, or its tables are of another version.
    """
    _check_targets(database, mlflow)
    with services.database.alone(), ExitStack() as transactions:
        _check_nothing_runs(services)
        state_rows = transactions.enter_context(_database_copy(services, database)) if database else {}
        mlflow_rows = transactions.enter_context(_mlflow_copy(present_mlflow, mlflow)) if mlflow else {}
        return state_rows, mlflow_rows


def _check_targets(database: str | None, mlflow: str | None) -> None:
    if not database and not mlflow:
        raise ConfigurationError("name what to move and where to: --database-url URL, --mlflow-url URL, or both")
    if _place(database) == _place(mlflow):
        raise ConfigurationError(
            "the state and MLflow need a database each, because both keep a table alembic_version; one server may "
            "hold the two"
        )
    if mlflow and mlflow.startswith(SERVER):
        raise ConfigurationError(
            "--mlflow-url names a server; wanted the URL of its database, which is filled while that server is down"
        )


def _place(url: str | None) -> object:
    """Return what two spellings of the same database have in common."""
    try:
        parsed = make_url(url or "")
    except ArgumentError:
        return url
    return parsed.get_backend_name(), parsed.host, parsed.port, parsed.database


def _check_nothing_runs(services: Services) -> None:
    dead = {job.id for job in services.database.jobs.stale(services.options.jobs.heartbeat_timeout_s)}
    alive = [job for job in services.database.jobs.running() if job.id not in dead]
    if alive:
        listed = ", ".join(f"job {job.id} ({job.kind}, {job.stage})" for job in alive)
        raise StateError(
            f"{listed} is running, maybe on another machine; wait for its end or cancel it, then try again"
        )


@contextmanager
def _database_copy(services: Services, url: str) -> Iterator[Counts]:
    """Rows per table, committed with the end of the block."""
    check_database(url, Database.METADATA.tables)
    tables = Database.METADATA.sorted_tables
    source_url = services.database.engine.url.render_as_string(hide_password=False)
    target = open_database(url, services.clock)
    try:
        with reading(source_url) as source, target.engine.begin() as connection:
            counts = copy_tables(source, connection, tables)
            with StudyStore(source_url).copy_to(StudyStore(url)) as studies:
                yield {**counts, **studies}
    finally:
        target.close()


@contextmanager
def _mlflow_copy(present: str, url: str) -> Iterator[Counts]:
    """Copy MLflow's rows: MLflow makes the tables, and checks that the present ones have its version."""
    if present.startswith(SERVER):
        raise ConfigurationError(
            "LABELLOOP_MLFLOW_URL names a server; move the database behind it with that database's own tools"
        )
    MlflowTables.make(present)
    engine = create_engine(url)
    try:
        with reading(present) as source:
            check_database(url, inspect(source).get_table_names())
            MlflowTables.make(url)
        with reading(present) as source, engine.begin() as connection:
            store = MlflowTables(connection)
            store.empty()
            yield copy_tables(source, connection, store.tables)
    finally:
        engine.dispose()
