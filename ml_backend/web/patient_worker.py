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

from gunicorn.workers.gthread import ThreadWorker

from ..errors import ConfigurationError
from .bodies import BadBody
from .caller import Caller
from .incoming import BodyLimit, Head, Incoming, Stage
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

LARGE_BYTES = 1024 * 1024
"""The size of a request from which memory is checked: below it, all connections together hold less than the limit."""

READ_BYTES = 256 * 1024
LOOK_EVERY_S = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_FILE_LEFT = (errno.EMFILE, errno.ENFILE)
ANSWER, LINGER = "answer", "linger"
"""Events for which the loop waits besides the stages of a request: the client takes its answer, and it closes."""


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
        self.cfg.set("sendfile", False)  # answers are written to an `Outbox`
        self.worker_connections = min(self.cfg.worker_connections, MAX_CONNECTIONS)
        self._watched: set[Caller] = set()
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
        self._read(Caller(client_socket, client, listener.getsockname(), incoming))

    def handle(self, caller: Caller) -> bool:
        """Answer a request, on a thread; returns True where the client may send another one."""
        request, caller.request = caller.request, None
        try:
            goes_on = bool(self.handle_request(request, caller))
        except StopIteration:
            goes_on = False  # an error after the head of the answer, which gunicorn has logged
        except Exception as error:
            self.handle_error(request, caller.sock, caller.client, error)
            goes_on = False
        with suppress(OSError):  # the loop finds out that the client is gone
            caller.sock.flush()  # most answers fit into the socket's buffer, and need not wait for the loop's next turn
        return goes_on

    def finish_request(self, caller: Caller, answered: "Future[bool]") -> None:
        """Send the answer of a thread."""
        caller.has_asked = True
        caller.goes_on = self.alive and not answered.cancelled() and answered.result()
        self._send(caller)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for clients and threads, but no longer than until the next check of deadlines."""
        super().wait_for_and_dispatch_events(min(timeout, LOOK_EVERY_S))

    def murder_pending(self) -> None:
        """Drop the clients whose time is over, and, when the worker ends, those that wait for no answer."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        for caller in list(self._watched):
            if not self.alive and caller.awaited in (Stage.NOTHING, Stage.HEAD, LINGER):
                self._drop(caller)
            elif caller.deadline <= now:
                self._give_up(caller)

    def _body_limit(self, request: Head) -> int:
        limit: BodyLimit | None = getattr(self.wsgi, "extensions", {}).get(BODY_LIMIT)
        return MAX_HELD_BYTES if limit is None else limit(request)

    def _read(self, caller: Caller) -> None:
        """Read what the client has sent so far."""
        try:
            data = caller.socket.recv(READ_BYTES)
        except BlockingIOError:
            self._wait_for_more(caller)
        except OSError:
            self._drop(caller)
        else:
            if data:
                caller.incoming.receive(data)
                self._proceed(caller)
            elif caller.incoming.stage is Stage.NOTHING:
                self._drop(caller)
            else:  # it may have closed only its own side, and still read
                self._refuse(caller, HTTPStatus.BAD_REQUEST, "the request ends before all of it has come")

    def _proceed(self, caller: Caller) -> None:
        """Pass the next request to a thread, or wait for the rest of it."""
        try:
            caller.request = caller.incoming.next_request()
        except BadBody as error:
            self._refuse(caller, error.status, str(error))
        except Exception as error:  # no fault in one client's bytes may end the loop
            self.handle_error(None, caller.sock, caller.client, error)
            self._send_last(caller)
        else:
            if caller.request is None:
                self._wait_for_more(caller)
            else:
                self._unwatch(caller)
                self.enqueue_req(caller)

    def _wait_for_more(self, caller: Caller) -> None:
        stage = caller.incoming.stage
        timeout_s = HEAD_TIMEOUT_S
        if stage is Stage.BODY:
            timeout_s = BODY_TIMEOUT_S
        elif stage is Stage.NOTHING and caller.has_asked:
            timeout_s = self.cfg.keepalive
        self._watch(caller, EVENT_READ, self._read, stage, timeout_s)
        if caller.incoming.takes_up_continue():
            caller.sock.sendall(CONTINUE)
            self._send(caller)
        elif caller.incoming.held_bytes > LARGE_BYTES:
            self._keep_memory_bounded()

    def _send(self, caller: Caller) -> None:
        """Send as much of the answer as the client takes; once all is sent, go on to the next step."""
        try:
            is_sent = caller.sock.flush()
        except OSError:
            self._drop(caller)
            return
        if not is_sent:
            self._watch(caller, EVENT_WRITE, self._send, ANSWER, ANSWER_TIMEOUT_S)
        elif caller.goes_on:
            self._proceed(caller)
        elif caller.incoming.is_cut_short:
            self._linger(caller)
        else:
            self._drop(caller)

    def _send_last(self, caller: Caller) -> None:
        """Send what was written, and accept no more requests."""
        caller.goes_on = False
        caller.incoming.abandon()
        self._send(caller)

    def _refuse(self, caller: Caller, status: HTTPStatus, reason: str) -> None:
        body = json.dumps({"error": reason}).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        caller.sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self._send_last(caller)

    def _linger(self, caller: Caller) -> None:
        """Close our side and drop all further bytes, until the client has read its answer and closes, too."""
        try:
            caller.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(caller)
        else:
            self._watch(caller, EVENT_READ, self._throw_away, LINGER, LINGER_S)

    def _throw_away(self, caller: Caller) -> None:
        try:
            is_over = not caller.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            is_over = True
        if is_over:
            self._drop(caller)

    def _give_up(self, caller: Caller) -> None:
        if caller.awaited in (Stage.HEAD, Stage.BODY):
            self._refuse(caller, HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time")
        else:
            self._drop(caller)

    def _drop_slowest(self) -> None:
        if self._watched:
            self._drop(min(self._watched, key=lambda caller: caller.deadline))

    def _keep_memory_bounded(self) -> None:
        held = {caller: caller.incoming.held_bytes for caller in self._watched}
        if sum(held.values()) > MAX_HELD_BYTES:
            largest = max(held, key=held.__getitem__)
            self._refuse(largest, HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests are coming in; ask again")

    def _watch(
        self, caller: Caller, events: int, react: Callable[[Caller], None], awaited: object, timeout_s: float
    ) -> None:
        """Call `react` at the next event; the deadline stays unchanged while the same thing is awaited."""
        if caller.awaited is not awaited:
            caller.awaited, caller.react, caller.deadline = awaited, react, time.monotonic() + timeout_s
            change = self.poller.modify if caller in self._watched else self.poller.register
            change(caller.socket, events, partial(self._react, caller))
            self._watched.add(caller)

    def _react(self, caller: Caller, _sock: object) -> None:
        """Call the client's current reaction, since an earlier event in the same turn may have changed it."""
        if caller in self._watched:
            caller.react(caller)

    def _unwatch(self, caller: Caller) -> None:
        if caller in self._watched:
            self._watched.remove(caller)
            self.poller.unregister(caller.socket)
        caller.awaited = None

    def _drop(self, caller: Caller) -> None:
        self._unwatch(caller)
        caller.socket.close()
        self.nr_conns -= 1
