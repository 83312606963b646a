"""Assemble whole requests from the bytes that a client sends; no socket is read here."""

from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.message import Request as Head
from gunicorn.http.unreader import IterUnreader

from .bodies import BadBody, Body, ChunkedBody, SizedBody

__all__ = ["MAX_HEAD_BYTES", "BodyLimit", "Head", "Incoming", "Stage"]

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 1024
"""The largest head of a request; browsers and proxies send a few kilobytes at most."""

BodyLimit = Callable[[Head], int]
"""Returns how many bytes of a request's body to wait for; 0 where the request is refused whatever its body is."""


class Stage(Enum):
    """The part of a request that is awaited or has arrived."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Incoming:
    """The bytes of one connection that do not make a whole request yet.

    Args:
        config: gunicorn's configuration, whose limits apply to the heads of requests.
        client: the peer's address.
        body_limit: called once per request, and only where the body did not arrive with the head.

    Attributes:
        is_cut_short: the last request was returned before its body had arrived, so that it can be answered at once;
            the bytes after it are the rest of that body.
    """

    def __init__(self, config: Any, client: Any, body_limit: BodyLimit) -> None:
        self._config, self._client, self._body_limit = config, client, body_limit
        self._buffer = bytearray()
        self._request: Head | None = None
        self._body: Body = SizedBody(0)
        self._limit: int | None = None
        self.is_cut_short = False

    @property
    def stage(self) -> Stage:
        """The stage of the request that is coming in."""
        if self._request is not None:
            return Stage.BODY
        return Stage.HEAD if self._buffer else Stage.NOTHING

    @property
    def held_bytes(self) -> int:
        """The memory that its bytes take so far."""
        return len(self._buffer) + (self._body.bytes_read if self._request is not None else 0)

    def receive(self, data: bytes) -> None:
        """Add bytes that the client has sent."""
        self._buffer += data

    def next_request(self) -> Head | None:
        """Return the next request with its body; None where part of it has not arrived yet.

        Raises:
            BadBody: the body is not framed as HTTP demands, or is longer than the limit.
            ParseException: gunicorn's error for an invalid head.
        """
        request = self._request = self._request or self._read_head()
        if request is None:
            return None
        is_whole = self._body.take(self._buffer)
        if not is_whole and not self._is_refused(request):
            return None
        request.body = self._body.file()
        request._expected_100_continue = False
        self._request = None
        if not is_whole:
            request.force_close()
            self.abandon()
        return request

    def abandon(self) -> None:
        """Drop the bytes received so far; no request will be made from them."""
        self.is_cut_short = True
        self._request = None
        self._buffer.clear()

    def takes_up_continue(self) -> bool:
        """Return True, once, for a client that waits for `100 Continue` before it sends its body."""
        request = self._request
        is_asked = request is not None and bool(request._expected_100_continue)
        if request is not None:
            request._expected_100_continue = False
        return is_asked

    def _read_head(self) -> Head | None:
        end = self._buffer.find(HEAD_END)
        if (len(self._buffer) if end < 0 else end) > MAX_HEAD_BYTES:
            raise LimitRequestHeaders(f"the head of the request has more than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            return None
        data = bytes(self._buffer[: end + len(HEAD_END)])
        del self._buffer[: len(data)]
        head = Head(self._config, IterUnreader([data]), self._client)
        self._body, self._limit = _body_of(head), None
        return head

    def _is_refused(self, request: Head) -> bool:
        """True where its head alone is answered, so that nobody waits for its body."""
        if self._limit is None:
            self._limit = self._body_limit(request)
        length = self._body.length if isinstance(self._body, SizedBody) else self._body.bytes_read
        if length > self._limit > 0:
            raise BadBody(
                f"the body has {length} bytes or more; {request.path:.100} takes at most {self._limit}",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        return self._limit == 0


def _body_of(request: Head) -> Body:
    reader = request.body.reader
    return ChunkedBody() if isinstance(reader, ChunkedReader) else SizedBody(reader.length)
