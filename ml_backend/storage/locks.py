"""Locks by name, which one process holds at a time among all that use the same database."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from ..file_locks import file_lock

__all__ = ["Locks"]

RETRY_S = 0.5


class Locks:
    """Held as long as a block runs, and given back by the system where the holder's process dies.

    PostgreSQL keeps them itself (advisory locks of a session), so they hold across machines; beside a SQLite
    database they are locked files, as the database itself is for one machine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """True where the lock was free and is held for the block; False, at once, where somebody else holds it."""
        database = self._engine.url.database
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                key = {"key": _key(name)}
                is_held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar())
                try:
                    yield is_held
                finally:
                    # The connection goes back to the pool and would keep the lock.
                    if is_held:
                        connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
        elif not database or database == ":memory:":
            yield True  # nobody else can see such a database
        else:
            with file_lock(Path(f"{database}.{name}.lock"), waits=False) as is_held:
                yield is_held

    @contextmanager
    def held(self, name: str, while_waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock for the block, as soon as nobody else does.

        Args:
            while_waiting: called twice a second until then; an error that it raises ends the waiting.
        """
        while True:
            with self.attempt(name) as is_held:
                if is_held:
                    yield
                    return
            while_waiting()
            time.sleep(RETRY_S)


def _key(name: str) -> int:
    """PostgreSQL names such locks by a signed number of 64 bits, shared by everybody who uses the database."""
    return int.from_bytes(hashlib.sha256(f"labelloop {name}".encode()).digest()[:8], "big", signed=True)
