"""One client's connection, as `PatientWorker` knows it."""

import errno
import socket
from collections.abc import Callable
from typing import Any

from .incoming import Head, Incoming

__all__ = ["Caller", "Outbox"]


class Outbox:
    """Stands for a client's socket where answers are written: it keeps them until the client takes them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting = bytearray()

    def sendall(self, data: bytes) -> None:
        """Keep this as well."""
        self._waiting += data

    def flush(self) -> bool:
        """Send as much as the client takes now; true where nothing is left.

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
        """As of a socket that does not block, which is how gunicorn writes error pages."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """Refuse: gunicorn would close the connection on a thread."""
        raise OSError(errno.ENOTSUP, "the loop closes connections")

    def close(self) -> None:
        """Leave closing to the loop."""


class Caller:
    """One client's connection, with the names that gunicorn's `handle_request` uses.

    Attributes:
        sock: what answers are written into.
        goes_on: whether more requests are taken after the answer that is being sent.
        has_asked: whether a request of it was answered.
        awaited: what the loop waits for, until the deadline; then it reacts.
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
