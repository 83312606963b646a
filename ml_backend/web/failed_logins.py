"""Report failed logins to the operator: each is counted, and as many are logged as a person can read."""

import logging
import threading
import time
from collections.abc import Callable

from flask import Request

__all__ = ["FailedLogins"]

log = logging.getLogger(__name__)

LINES_PER_MINUTE = 10


class FailedLogins:
    """Logs the first failed logins of every minute; the others are counted, and the next logged line says how many.

    Args:
        count: called with the reason for each failed login.
    """

    def __init__(self, count: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock = count, clock
        self._lock = threading.Lock()
        self._minute_ends = 0.0
        self._lines = self._untold = 0

    def note(self, request: Request, reason: str) -> None:
        """Count and perhaps log a failed login, without the given password and name, since people mix these up."""
        self._count(reason)
        with self._lock:
            untold = self._told_now()
        if untold is not None:
            more = f"; {untold} more went unlogged before" if untold else ""
            log.warning("failed login from %s, %s %s: %s%s", _peer(request), request.method, request.path, reason, more)

    def _told_now(self) -> int | None:
        """Return how many were left out before this one; None where this one is left out as well."""
        now = self._clock()
        if now >= self._minute_ends:
            self._minute_ends, self._lines = now + 60, 0
        if self._lines == LINES_PER_MINUTE:
            self._untold += 1
            return None
        self._lines += 1
        untold, self._untold = self._untold, 0
        return untold


def _peer(request: Request) -> str:
    """Return the address that the request came from, and the client's address that a proxy gave."""
    forwarded = request.headers.get("X-Forwarded-For")
    address = request.remote_addr or "unknown"
    return f"{address} (forwarded for {forwarded!r:.100})" if forwarded else address
