"""Rows of one database into another, whatever engines the two have."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, Table, create_engine, func, insert, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..errors import ConfigurationError, StateError

__all__ = ["check_database", "copy_tables", "reading"]

ENGINES = ("sqlite", "postgresql")
VERSION_TABLE = "alembic_version"
ROWS_AT_ONCE = 1000


def check_database(url: str, known_tables: Collection[str]) -> None:
    """Return if a database answers at the URL that holds no other tables than these; it need not hold any.

    Raises:
        ConfigurationError: the URL is malformed, of another engine, or nothing answers there.
        StateError: there are other tables.
    """
    try:
        shown = make_url(url).render_as_string()
        if make_url(url).get_backend_name() not in ENGINES:
            raise ConfigurationError(f"{shown} is no database for this; wanted a URL of {' or '.join(ENGINES)}")
        with reading(url) as connection:
            others = set(inspect(connection).get_table_names()) - {VERSION_TABLE, *known_tables}
    except ArgumentError:
        raise ConfigurationError(
            "the URL is none that SQLAlchemy reads; wanted one such as postgresql+psycopg://user@host/database"
        ) from None
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"cannot open {shown}: {getattr(error, 'orig', None) or error}. Wanted: a database that was made and "
            "whose server is up (PostgreSQL needs the extra labelloop[postgres])"
        ) from None
    if others:
        raise StateError(
            f"{shown} holds other tables already ({', '.join(sorted(others)[:5])}); wanted an empty database"
        )


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A connection whose reads all see the database as it was at the first of them."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # The driver by itself begins a transaction only before it writes.
                connection.exec_driver_sql("BEGIN")
                yield connection
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")
    finally:
        engine.dispose()


def copy_tables(source: Connection, target: Connection, tables: Sequence[Table]) -> Mapping[str, int]:
    """Copy all rows of these tables, ids included, within the two transactions; returns how many of each.

    Args:
        target: holds the tables, which must be empty. Nothing is committed here.
        tables: in the order in which they refer to each other.

    Raises:
        StateError: the target holds rows already, a row does not fit, or the target does not hold in the end what the
            source holds.
    """
    if filled := [name for name, count in _row_counts(target, tables).items() if count]:
        url = target.engine.url.render_as_string()
        raise StateError(f"{url} holds rows already (in {', '.join(filled)}); wanted an empty database")
    _keep_writers_out(source, tables)
    try:
        for table in tables:
            rows = source.execute(select(table), execution_options={"yield_per": ROWS_AT_ONCE})
            for batch in rows.mappings().partitions():
                target.execute(insert(table), [dict(row) for row in batch])
            _set_sequence(target, table)
    except SQLAlchemyError as error:
        raise StateError(
            f"table {table.name} cannot be copied: {getattr(error, 'orig', None) or error}; the target was left as it "
            "was. Repair the row that the message names in the source, then try again"
        ) from None
    wanted, counts = _row_counts(source, tables), _row_counts(target, tables)
    if wanted != counts:
        names = [name for name in wanted if wanted[name] != counts[name]]
        raise StateError(f"{', '.join(names)} did not arrive whole; the target was left as it was, so try again")
    return counts


def _row_counts(connection: Connection, tables: Sequence[Table]) -> dict[str, int]:
    """Number of rows per table."""
    return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def _keep_writers_out(source: Connection, tables: Sequence[Table]) -> None:
    """PostgreSQL lets others write beside a reader; what they wrote would be missing in the copy."""
    if source.dialect.name == "postgresql":
        quoted = ", ".join(source.dialect.identifier_preparer.format_table(table) for table in tables)
        source.execute(text(f"LOCK TABLE {quoted} IN SHARE MODE"))


def _set_sequence(target: Connection, table: Table) -> None:
    """Rows that bring their ids do not advance the sequence that gives out the next one."""
    column = table.autoincrement_column
    if target.dialect.name == "postgresql" and column is not None:
        quoted = target.dialect.identifier_preparer.format_table(table)
        sequence = func.pg_get_serial_sequence(quoted, column.name)
        # A sequence starts at 1; where no id has got there, it stays as it is.
        target.execute(select(func.setval(sequence, func.max(column))).where(column > 0))
