"""One client's connection, and the answer that waits to be sent on it, for `PatientWorker`."""

import errno
import socket
from collections.abc import Callable
from typing import Any

from .incoming import Head, Incoming

__all__ = ["Caller", "Outbox"]


class Outbox:
    """Replaces a client's socket where answers are written, and keeps them until the client takes them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting = bytearray()

    def sendall(self, data: bytes) -> None:
        """Keep these bytes to be sent later."""
        self._waiting += data

    def flush(self) -> bool:
        """Send as much as the client takes now; returns True where nothing is left.

        Raises:
            OSError: the client is gone.
        """
        while self._waiting:
            try:
                del self._waiting[: self._sock.send(self._waiting)]
            except BlockingIOError:
                return False
        return True

    def gettimeout(self) -> float:
        """Return 0 as a non-blocking socket does, which gunicorn expects when it writes error pages."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """Raise an error, so that gunicorn does not shut down the connection on a thread."""
        raise OSError(errno.ENOTSUP, "the loop closes connections")

    def close(self) -> None:
        """Do nothing: the loop closes the connection."""


class Caller:
    """One client's connection, with the names that gunicorn's `handle_request` uses.

    Attributes:
        sock: the outbox into which answers are written.
        goes_on: whether more requests are accepted after the answer that is being sent.
        has_asked: whether a request of this client was answered.
        awaited: the event for which the loop waits until the deadline.
    """

    def __init__(self, client_socket: socket.socket, client: Any, server: Any, incoming: Incoming) -> None:
        client_socket.setblocking(False)
        self.socket, self.client, self.server, self.incoming = client_socket, client, server, incoming
        self.sock = Outbox(client_socket)
        self.request: Head | None = None
        self.goes_on, self.has_asked = True, False
        self.awaited: object = None
        self.deadline = 0.0
        self.react: Callable[[Caller], None] = lambda _caller: None
