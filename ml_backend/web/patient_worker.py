"""A gunicorn worker whose threads never wait for a client.

gunicorn's own thread worker reads requests and writes answers on its threads, so a few clients that send or read
slowly keep everybody else waiting. Here the loop that accepts connections reads and writes for all clients: a thread
gets a request once all of it has arrived, and leaves its answer to the loop. Clients have time limits, the slowest are
dropped when there are too many, and a client whose request is refused early can still read why.
"""

import errno
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http.message import Request as Head
from gunicorn.workers.gthread import ThreadWorker

from ..errors import ConfigurationError
from .incoming import BadBody, Incoming, Stage
from .limits import BODY_LIMIT

__all__ = ["PatientWorker"]

HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 60.0
"""The time limit for a body; 128 MB in that time is 2 MB per second."""
ANSWER_TIMEOUT_S = 60.0
LINGER_S = 10.0
"""How long bytes of a refused client are still read and dropped: closing at once could destroy its answer."""

MAX_CONNECTIONS = 500
"""The most connections. Many systems allow a process 1,024 open files, and models and databases need some."""
MAX_HELD_BYTES = 512 * 1024 * 1024
"""The most memory for all requests that are still coming in."""

MOST_UNSENT_BYTES = 64 * 1024
"""How much of a stream may wait for a client that reads nothing, before the stream ends."""

LARGE_BYTES = 1024 * 1024
"""The size of a request from which memory is checked: below it, all connections together hold less than the limit."""

READ_BYTES = 256 * 1024
LOOK_EVERY_S = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_FILE_LEFT = (errno.EMFILE, errno.ENFILE)
ANSWER, LINGER = "answer", "linger"
"""Events for which the loop waits besides the stages of a request: the client takes its answer, and it closes."""


class _WaitingAnswer:
    """Replaces a client's socket where answers are written, and keeps them until the client takes them.

    Args:
        goes_on: whether the worker does.
    """

    def __init__(self, sock: socket.socket, goes_on: Callable[[], bool]) -> None:
        self._sock, self._goes_on = sock, goes_on
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

    def deliver(self) -> bool:
        """Send what is there of an answer that takes long; return False where it has become useless to go on."""
        try:
            self.flush()
        except OSError:
            return False
        return self._goes_on() and len(self._waiting) < MOST_UNSENT_BYTES

    def gettimeout(self) -> float:
        """Return 0 as a non-blocking socket does, which gunicorn expects when it writes error pages."""
        return 0.0

    def shutdown(self, _how: int) -> None:
        """Raise an error, so that gunicorn does not shut down the connection on a thread."""
        raise OSError(errno.ENOTSUP, "the loop closes connections")

    def close(self) -> None:
        """Do nothing: the loop closes the connection."""


class _Connection:
    """One client's connection, with the names that gunicorn's `handle_request` uses.

    Attributes:
        sock: where answers are written.
        goes_on: whether more requests are accepted after the answer that is being sent.
        was_answered: whether a request of this client was answered.
        awaited: the event for which the loop waits until the deadline.
    """

    def __init__(
        self, client_socket: socket.socket, client: Any, server: Any, incoming: Incoming, goes_on: Callable[[], bool]
    ) -> None:
        client_socket.setblocking(False)
        self.socket, self.client, self.server, self.incoming = client_socket, client, server, incoming
        self.sock = _WaitingAnswer(client_socket, goes_on)
        self.request: Head | None = None
        self.goes_on, self.was_answered = True, False
        self.awaited: object = None
        self.deadline = 0.0
        self.react: Callable[[_Connection], None] = lambda _connection: None


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Passes only whole requests to threads. Every method but `handle` runs in the loop."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse settings that this worker does not support.

        Raises:
            ConfigurationError: certificates are set.
        """
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigurationError(
                "this worker speaks plain HTTP: take out the certificates, and let a proxy end TLS"
            )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cfg.set("sendfile", False)  # answers are written to a `_WaitingAnswer`
        self.worker_connections = min(self.cfg.worker_connections, MAX_CONNECTIONS)
        self._watched: set[_Connection] = set()
        self._next_look = 0.0

    def accept(self, listener: socket.socket) -> None:
        """Accept a new client; where there are too many, drop the one that is closest to its deadline."""
        if self.nr_conns >= self.worker_connections - 1:
            self._drop_slowest()
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in NO_FILE_LEFT:
                self._drop_slowest()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        incoming = Incoming(self.cfg, client, self._body_limit)
        self._read(_Connection(client_socket, client, listener.getsockname(), incoming, lambda: self.alive))

    def handle(self, connection: _Connection) -> bool:
        """Answer a request, on a thread; returns True where the client may send another one."""
        request, connection.request = connection.request, None
        try:
            goes_on = bool(self.handle_request(request, connection))
        except StopIteration:
            goes_on = False  # an error after the head of the answer, which gunicorn has logged
        except Exception as error:
            self.handle_error(request, connection.sock, connection.client, error)
            goes_on = False
        with suppress(OSError):  # the loop finds out that the client is gone
            # Most answers fit into the socket's buffer, and need not wait for the loop's next turn.
            connection.sock.flush()
        return goes_on

    def finish_request(self, connection: _Connection, answered: "Future[bool]") -> None:
        """Send the answer of a thread."""
        connection.was_answered = True
        connection.goes_on = self.alive and not answered.cancelled() and answered.result()
        self._send(connection)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for clients and threads, but no longer than until the next check of deadlines."""
        super().wait_for_and_dispatch_events(min(timeout, LOOK_EVERY_S))

    def murder_pending(self) -> None:
        """Drop the clients whose time is over, and, when the worker ends, those that wait for no answer."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        for connection in list(self._watched):
            if not self.alive and connection.awaited in (Stage.NOTHING, Stage.HEAD, LINGER):
                self._drop(connection)
            elif connection.deadline <= now:
                self._give_up(connection)

    def _body_limit(self, request: Head) -> int:
        limit: Callable[[Head], int] | None = getattr(self.wsgi, "extensions", {}).get(BODY_LIMIT)
        return MAX_HELD_BYTES if limit is None else limit(request)

    def _read(self, connection: _Connection) -> None:
        """Read what the client has sent so far."""
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            self._wait_for_more(connection)
        except OSError:
            self._drop(connection)
        else:
            if data:
                connection.incoming.receive(data)
                self._proceed(connection)
            elif connection.incoming.stage is Stage.NOTHING:
                self._drop(connection)
            else:  # it may have closed only its own side, and still read
                self._refuse(connection, HTTPStatus.BAD_REQUEST, "the request ends before all of it has come")

    def _proceed(self, connection: _Connection) -> None:
        """Pass the next request to a thread, or wait for the rest of it."""
        try:
            connection.request = connection.incoming.next_request()
        except BadBody as error:
            self._refuse(connection, error.status, str(error))
        except Exception as error:  # no fault in one client's bytes may end the loop
            self.handle_error(None, connection.sock, connection.client, error)
            self._send_last(connection)
        else:
            if connection.request is None:
                self._wait_for_more(connection)
            else:
                self._unwatch(connection)
                self.enqueue_req(connection)

    def _wait_for_more(self, connection: _Connection) -> None:
        stage = connection.incoming.stage
        timeout_s = HEAD_TIMEOUT_S
        if stage is Stage.BODY:
            timeout_s = BODY_TIMEOUT_S
        elif stage is Stage.NOTHING and connection.was_answered:
            timeout_s = self.cfg.keepalive
        self._watch(connection, EVENT_READ, self._read, stage, timeout_s)
        if connection.incoming.takes_up_continue():
            connection.sock.sendall(CONTINUE)
            self._send(connection)
        elif connection.incoming.held_bytes > LARGE_BYTES:
            self._keep_memory_bounded()

    def _send(self, connection: _Connection) -> None:
        """Send as much of the answer as the client takes; once all is sent, go on to the next step."""
        try:
            is_sent = connection.sock.flush()
        except OSError:
            self._drop(connection)
            return
        if not is_sent:
            self._watch(connection, EVENT_WRITE, self._send, ANSWER, ANSWER_TIMEOUT_S)
        elif connection.goes_on:
            self._proceed(connection)
        elif connection.incoming.is_cut_short:
            self._linger(connection)
        else:
            self._drop(connection)

    def _send_last(self, connection: _Connection) -> None:
        """Send what was written, and accept no more requests."""
        connection.goes_on = False
        connection.incoming.abandon()
        self._send(connection)

    def _refuse(self, connection: _Connection, status: HTTPStatus, reason: str) -> None:
        body = json.dumps({"error": reason}).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        connection.sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._send_last(connection)

    def _linger(self, connection: _Connection) -> None:
        """Close our side and drop all further bytes, until the client has read its answer and closes, too."""
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
        else:
            self._watch(connection, EVENT_READ, self._throw_away, LINGER, LINGER_S)

    def _throw_away(self, connection: _Connection) -> None:
        try:
            is_over = not connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            is_over = True
        if is_over:
            self._drop(connection)

    def _give_up(self, connection: _Connection) -> None:
        if connection.awaited in (Stage.HEAD, Stage.BODY):
            self._refuse(connection, HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time")
        else:
            self._drop(connection)

    def _drop_slowest(self) -> None:
        if self._watched:
            self._drop(min(self._watched, key=lambda connection: connection.deadline))

    def _keep_memory_bounded(self) -> None:
        held = {connection: connection.incoming.held_bytes for connection in self._watched}
        if sum(held.values()) > MAX_HELD_BYTES:
            largest = max(held, key=held.__getitem__)
            self._refuse(largest, HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests are coming in; ask again")

    def _watch(
        self,
        connection: _Connection,
        events: int,
        react: Callable[[_Connection], None],
        awaited: object,
        timeout_s: float,
    ) -> None:
        """Call `react` at the next event; the deadline stays unchanged while the same thing is awaited."""
        if connection.awaited is not awaited:
            connection.awaited, connection.react, connection.deadline = awaited, react, time.monotonic() + timeout_s
            change = self.poller.modify if connection in self._watched else self.poller.register
            change(connection.socket, events, partial(self._react, connection))
            self._watched.add(connection)

    def _react(self, connection: _Connection, _sock: object) -> None:
        """Call the client's current reaction, since an earlier event in the same turn may have changed it."""
        if connection in self._watched:
            connection.react(connection)

    def _unwatch(self, connection: _Connection) -> None:
        if connection in self._watched:
            self._watched.remove(connection)
            self.poller.unregister(connection.socket)
        connection.awaited = None

    def _drop(self, connection: _Connection) -> None:
        self._unwatch(connection)
        connection.socket.close()
        self.nr_conns -= 1
