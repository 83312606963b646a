"""The base class of all repositories, and the types of their tables' columns.

Every repository describes its tables as the newest migration leaves them. A test compares the two.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    RowMapping,
    Select,
    Table,
    TypeDecorator,
    UpdateBase,
)
from sqlalchemy import String as PlainString
from sqlalchemy import Text as PlainText
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["Repository", "String", "StudioId", "Text", "UtcDateTime", "metadata"]

ValueT = TypeVar("ValueT")

StudioId = BigInteger().with_variant(Integer(), "sqlite")
"""Ids of Label Studio, whose newer tables use 64 bits, as SQLite's integers always do."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of surrogate pairs, which UTF-8 cannot encode."""


class _Storable(TypeDecorator[str]):
    """Text in which U+FFFD replaces each character that one of the databases refuses."""

    impl: type[PlainString] = PlainText

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (the base's shape)
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class Text(_Storable):
    """Text of any length."""

    cache_ok = True


class String(_Storable):
    """Text of a limited length, which only PostgreSQL enforces."""

    impl = PlainString
    cache_ok = True


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware datetimes in UTC, also on SQLite, which does not store the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002 (the base's shape)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (the base's shape)
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Repository:
    """Holds the engine and the clock. Times that methods write come from the clock alone."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = clock

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT of the engine's dialect, for its ON CONFLICT clause, which both spell alike."""
        return postgresql.insert(table) if self._engine.dialect.name == "postgresql" else sqlite.insert(table)

    def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        """Return all rows that a query finds."""
        with self._engine.connect() as connection:
            return connection.execute(statement).mappings().all()

    def _value(self, statement: Select[ValueT]) -> ValueT | None:
        """Return the first row's first value; None where there is no row."""
        with self._engine.connect() as connection:
            return connection.execute(statement).scalar()

    def _write(self, statement: UpdateBase, values: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Change rows in a transaction; with several values, once with each."""
        with self._engine.begin() as connection:
            connection.execute(statement, values)
