"""Assemble bodies of requests from the bytes that come in, piece by piece; no socket is read here."""

import io
from http import HTTPStatus
from typing import Protocol

__all__ = ["BadBody", "Body", "ChunkedBody", "SizedBody"]

MAX_LINE_BYTES = 4096
"""The longest line with a chunk's size or a trailer, more than any known client sends."""


class BadBody(ValueError):
    """The body is not framed as HTTP demands, or is too long.

    Attributes:
        status: the HTTP status to answer with.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class Body(Protocol):
    """The part of a body that has arrived."""

    @property
    def bytes_read(self) -> int:
        """The number of its bytes that have arrived."""

    def take(self, buffer: bytearray) -> bool:
        """Take the bytes of the body from the front of the buffer; returns True once the body is complete.

        Raises:
            BadBody: the body is not framed as HTTP demands.
        """

    def file(self) -> io.BytesIO:
        """Return a file with the bytes that have arrived, at its start."""


class _Kept:
    """Keeps the bytes that were read."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()

    @property
    def bytes_read(self) -> int:
        return self._kept.tell()

    def file(self) -> io.BytesIO:
        self._kept.seek(0)
        return self._kept

    def _move(self, buffer: bytearray, count: int) -> int:
        """Move up to `count` bytes from the buffer; returns how many were moved."""
        moved = self._kept.write(buffer[:count])
        del buffer[:count]
        return moved


class SizedBody(_Kept):
    """A body whose length the head gives."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def take(self, buffer: bytearray) -> bool:
        self._move(buffer, self.length - self.bytes_read)
        return self.bytes_read == self.length


class ChunkedBody(_Kept):
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
