"""An MLflow client that is made when first needed, quietly, and without a word to anybody outside."""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Connection"]

SQLITE = "sqlite:///"


class Connection:
    """A lazily opened MLflow client. Importing MLflow takes seconds, so nothing happens before `client` is called.

    Attributes:
        uri: of tracking and registry alike: `sqlite:///<file>`, another database, or a server's URL.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client: MlflowClient | None = None
        self._opening = threading.Lock()

    @property
    def is_server(self) -> bool:
        """True where a server decides where artifacts lie."""
        return self.uri.startswith(("http://", "https://"))

    def client(self) -> "MlflowClient":
        """The client; made at the first call, together with the tables of a fresh database. Thread-safe."""
        with self._opening:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> "MlflowClient":
        # Read when MLflow is imported: without it, MLflow reports its use to its makers.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            # Both tell every migration of a fresh database at level INFO. MLflow sets its level at import.
            logging.getLogger(name).setLevel(logging.WARNING)
        with _exclusive(self.uri):
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_experiments(max_results=1)
        return client


@contextmanager
def _exclusive(uri: str) -> Iterator[None]:
    """Let one process at a time open a SQLite file: two that make its tables together fail."""
    if not uri.startswith(SQLITE) or uri in (SQLITE, f"{SQLITE}:memory:"):
        yield
        return
    database = Path(uri.removeprefix(SQLITE).partition("?")[0])
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
