"""The base class of all repositories."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["Repository"]


class Repository:
    """Holds the engine and the clock. Times that methods write come from the clock alone."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = clock

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT of the engine's dialect, for its ON CONFLICT clause, which both spell alike."""
        return postgresql.insert(table) if self._engine.dialect.name == "postgresql" else sqlite.insert(table)
