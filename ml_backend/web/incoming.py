"""Assemble whole requests from the bytes that a client sends; no socket is read here."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.message import Request as Head
from gunicorn.http.unreader import IterUnreader

__all__ = ["BadBody", "Incoming", "Stage"]

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 1024
"""The largest head of a request; browsers and proxies send a few kilobytes at most."""
MAX_LINE_BYTES = 4096
"""The longest line with a chunk's size or a trailer, more than any known client sends."""


class BadBody(ValueError):
    """A body that is not framed as HTTP demands, or is too long.

    Attributes:
        status: the HTTP status to answer with.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class Stage(Enum):
    """The part of a request that is awaited or has arrived."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Incoming:
    """Makes requests of the bytes that come in on one connection.

    Args:
        config: gunicorn's configuration, whose limits apply to the heads of requests.
        client: the peer's address.
        body_limit: returns how many bytes of a request's body to wait for, 0 where the request is refused whatever its
            body is; called once per request, and only where the body did not arrive with the head.

    Attributes:
        is_cut_short: the last request was returned before its body had arrived, so that it can be answered at once;
            the bytes after it are the rest of that body.
    """

    def __init__(self, config: Any, client: Any, body_limit: Callable[[Head], int]) -> None:
        self._config, self._client, self._body_limit = config, client, body_limit
        self._buffer = bytearray()
        self._request: Head | None = None
        self._body: _Body = _SizedBody(0)
        self._limit: int | None = None
        self.is_cut_short = False

    @property
    def stage(self) -> Stage:
        """Stage of the request that is coming in."""
        if self._request is not None:
            return Stage.BODY
        return Stage.HEAD if self._buffer else Stage.NOTHING

    @property
    def held_bytes(self) -> int:
        """Bytes of unfinished requests in memory."""
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
        reader, self._limit = head.body.reader, None
        self._body = _ChunkedBody() if isinstance(reader, ChunkedReader) else _SizedBody(reader.length)
        return head

    def _is_refused(self, request: Head) -> bool:
        """True where its head alone is answered, so that nobody waits for its body."""
        if self._limit is None:
            self._limit = self._body_limit(request)
        length = self._body.length if isinstance(self._body, _SizedBody) else self._body.bytes_read
        if length > self._limit > 0:
            raise BadBody(
                f"the body has {length} bytes or more; {request.path:.100} takes at most {self._limit}",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        return self._limit == 0


class _Body(ABC):
    """The part of a body that has arrived."""

    def __init__(self) -> None:
        self._arrived = io.BytesIO()

    @property
    def bytes_read(self) -> int:
        """The number of its bytes that have arrived."""
        return self._arrived.tell()

    @abstractmethod
    def take(self, buffer: bytearray) -> bool:
        """Take the bytes of the body from the front of the buffer; returns True once the body is complete.

        Raises:
            BadBody: the body is not framed as HTTP demands.
        """

    def file(self) -> io.BytesIO:
        """Return a file with the bytes that have arrived, at its start."""
        self._arrived.seek(0)
        return self._arrived

    def _move(self, buffer: bytearray, count: int) -> int:
        """Move up to `count` bytes from the buffer; returns how many were moved."""
        moved = self._arrived.write(buffer[:count])
        del buffer[:count]
        return moved


class _SizedBody(_Body):
    """A body whose length the head gives."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def take(self, buffer: bytearray) -> bool:
        self._move(buffer, self.length - self.bytes_read)
        return self.bytes_read == self.length


class _ChunkedBody(_Body):
    """A body in chunks, each after a line with its size; a chunk of size 0 and a blank line end it."""

    def __init__(self) -> None:
        super().__init__()
        self._missing = 0
        self._read = self._read_size

    def take(self, buffer: bytearray) -> bool:
        is_whole = False
        while not is_whole:
            self._missing -= self._move(buffer, self._missing)
            line = None if self._missing else _line(buffer)
            if line is None:
                return False
            is_whole = self._read(line)
        return True

    def _read_size(self, line: bytes) -> bool:
        size = line.partition(b";")[0].strip(b" \t")
        if not size or size.strip(b"0123456789abcdefABCDEF"):
            raise BadBody("a chunk begins with something other than its size")
        self._missing = int(size, 16)
        self._read = self._read_chunk_end if self._missing else self._read_trailer
        return False

    def _read_chunk_end(self, line: bytes) -> bool:
        if line:
            raise BadBody("a chunk is longer than its size says")
        self._read = self._read_size
        return False

    def _read_trailer(self, line: bytes) -> bool:
        """Skip a trailer, since none is used here; returns True at the blank line that ends them."""
        return not line


def _line(buffer: bytearray) -> bytes | None:
    """Take the next line from the buffer and return it without its end; None where its end has not arrived yet."""
    end = buffer.find(b"\r\n")
    if end > MAX_LINE_BYTES or (end < 0 and len(buffer) > MAX_LINE_BYTES):
        raise BadBody(f"a line between chunks has more than {MAX_LINE_BYTES} bytes")
    if end < 0:
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line
