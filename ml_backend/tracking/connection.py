"""An MLflow client that is made when first needed, quietly, and without a word to anybody outside."""

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..errors import TrackingError
from ..file_locks import file_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowConnection"]

SQLITE = "sqlite:///"
PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")
# MLflow takes these from the environment alone. What the operator has set there stays.
MLFLOW_SETTINGS = {
    # Read when MLflow is imported: without it, MLflow reports its use to its makers.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Standard output belongs to the command's result, standard error to its notes.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # About 15 s until a server that is away is called so; MLflow's own values make it four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}

PASSING_CODES = frozenset(
    {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
)
VAGUE_CODES = frozenset({None, "INTERNAL_ERROR", "BAD_REQUEST"})
PASSING_WORDS = re.compile(r"locked|connection|time(d |-)?out|too many|\b(429|50[0234])\b", re.IGNORECASE)
# A store that was deleted while a process uses it seems "readonly" or lacks tables; the next process makes a new one.
LASTING_WORDS = re.compile(r"disk is full|disk I/O|authentication failed|does not exist")


class MlflowConnection:
    """A lazily opened MLflow client. Importing MLflow takes seconds, so nothing happens before the first call.

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

    @property
    def is_new(self) -> bool:
        """True for a SQLite file that nobody has made yet, which a call would make."""
        file = _sqlite_file(self.uri)
        return file is not None and not file.exists()

    @contextmanager
    def calls(self) -> "Iterator[MlflowClient]":
        """The client, for the calls of a block; made at the first one, with the tables of a fresh database.

        Safe to use from several threads.

        Raises:
            TrackingError: MLflow did not answer, or refused; also where a call inside the block did so.
        """
        for name, value in MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow.exceptions import MlflowException

        try:
            yield self._opened()
        except (MlflowException, SQLAlchemyError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # a local file; the library that transfers files of a server gives no error number
            message = PASSWORD.sub(r"\1***@", f"MLflow at {self.uri} did not do what it should: {error}")
            raise TrackingError(
                f"{message}. Wanted: a database or a server that is up, in LABELLOOP_MLFLOW_URL",
                is_passing=_is_passing(error),
            ) from None  # the cause repeats the URL, password included

    def _opened(self) -> "MlflowClient":
        from mlflow import MlflowClient

        with self._opening:
            if self._client is None:
                for name in ("mlflow", "alembic"):
                    # Both tell every migration of a fresh database at level INFO. MLflow sets its level at import.
                    logging.getLogger(name).setLevel(logging.WARNING)
                with _one_process_at_a_time(self.uri):
                    client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
                    client.search_experiments(max_results=1)
                self._client = client
            return self._client


def _is_passing(error: Exception) -> bool:
    """True where MLflow or its database is away, busy or overloaded.

    MLflow wraps the errors of its database or server, and gives some of them a code that may mean anything.
    """
    message = str(error)
    if LASTING_WORDS.search(message):
        return False
    code = getattr(error, "error_code", None)
    return code in PASSING_CODES or (code in VAGUE_CODES and PASSING_WORDS.search(message) is not None)


@contextmanager
def _one_process_at_a_time(uri: str) -> Iterator[None]:
    """Let one process at a time open a SQLite file: two that make its tables together fail."""
    database = _sqlite_file(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(database.with_name(f"{database.name}.lock")):
        yield


def _sqlite_file(uri: str) -> Path | None:
    """The file that holds a SQLite database; None for any other store."""
    if not uri.startswith(SQLITE) or uri in (SQLITE, f"{SQLITE}:memory:"):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0])
