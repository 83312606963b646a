"""Servers that the processes of one test run share, since each takes seconds to start and hundreds of megabytes."""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

__all__ = ["one_per_run"]


@contextmanager
def one_per_run(
    factory: pytest.TempPathFactory, name: str, start: Callable[[], AbstractContextManager[Mapping[str, Any]]]
) -> Iterator[Mapping[str, Any]]:
    """Yield what JSON can say of a server: of the one that another process of the run has, else of a new one.

    The process that has started it keeps it until the others have ended their blocks. The kernel frees the locks of a
    process that crashes.
    """
    folder = factory.getbasetemp()
    # With xdist every process has a folder below the run's.
    folder = folder.parent if folder.name.startswith("popen-") else folder
    facts = folder / f"{name}.json"
    with (folder / f"{name}.start").open("w") as starting, (folder / f"{name}.use").open("w") as use:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if facts.exists():
            fcntl.flock(use, fcntl.LOCK_SH)
            fcntl.flock(starting, fcntl.LOCK_UN)
            yield json.loads(facts.read_text())
            return
        with start() as server:
            facts.write_text(json.dumps(dict(server)))
            fcntl.flock(starting, fcntl.LOCK_UN)
            try:
                yield server
            finally:
                # Whoever asks for it from now on starts a new one.
                fcntl.flock(starting, fcntl.LOCK_EX)
                facts.unlink()
                fcntl.flock(use, fcntl.LOCK_EX)
