"""Bodies of requests as they come in, piece by piece; no socket is read here."""

import io
from http import HTTPStatus
from typing import Protocol

__all__ = ["BadBody", "Body", "ChunkedBody", "SizedBody"]

MAX_LINE_BYTES = 4096
"""Of a chunk's size, and of a trailer: more than any client of ours sends."""


class BadBody(ValueError):
    """The body is framed in another way than HTTP's, or too long.

    Attributes:
        status: what to answer.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class Body(Protocol):
    """What has come of a body."""

    @property
    def bytes_read(self) -> int:
        """How many bytes of it are here."""

    def take(self, buffer: bytearray) -> bool:
        """Take what belongs to the body from the front of the buffer; true once the body is whole.

        Raises:
            BadBody: it is framed in another way than HTTP's.
        """

    def file(self) -> io.BytesIO:
        """What is here, to be read from its start."""


class _Kept:
    """Bytes that were read."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()

    @property
    def bytes_read(self) -> int:
        return self._kept.tell()

    def file(self) -> io.BytesIO:
        self._kept.seek(0)
        return self._kept

    def _move(self, buffer: bytearray, count: int) -> int:
        """Move up to so many bytes here; returns how many there were."""
        moved = self._kept.write(buffer[:count])
        del buffer[:count]
        return moved


class SizedBody(_Kept):
    """A body whose head told its length."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def take(self, buffer: bytearray) -> bool:
        self._move(buffer, self.length - self.bytes_read)
        return self.bytes_read == self.length


class ChunkedBody(_Kept):
    """A body that comes in chunks, each with its size before it; one of size 0 and a blank line end it."""

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
        """Nothing in trailers is of use here; the blank line after them is the end."""
        return not line


def _line(buffer: bytearray) -> bytes | None:
    """The next line, taken from the buffer without its end; None where its end has not come yet."""
    end = buffer.find(b"\r\n")
    if end > MAX_LINE_BYTES or (end < 0 and len(buffer) > MAX_LINE_BYTES):
        raise BadBody(f"a line between chunks has more than {MAX_LINE_BYTES} bytes")
    if end < 0:
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line
