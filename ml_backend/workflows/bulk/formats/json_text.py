"""JSON lists such as Label Studio's exports, packed files, and other encodings: read from the beginning, then cut."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ....errors import PayloadError, StudioExportError
from ....labelstudio.files.notes import FileNotes
from ....labelstudio.files.text import open_text
from ....labelstudio.json_stream import stream_objects
from ....storage.shared_files import SharedFiles
from .base import BulkFormat, Fault, Item, Piece, Predicted

__all__: list[str] = []

JSON_LINES = "jsonl"
MOST_BYTES = 2_000_000
"""Longest text of a piece: whoever cuts such a file holds the pieces that workers have not finished."""


class JsonText(BulkFormat):
    """The pieces hold their tasks as JSON lines."""

    name: ClassVar[str] = "json"
    is_written: ClassVar[bool] = False

    def suits(self, name: str, head: bytes) -> bool:
        """Return False: what no other format knows is read as such a file, which says what is wrong with it."""
        del name, head
        return False

    def cut(self, source: SharedFiles, name: str, size: int, piece_bytes: int, notes: FileNotes) -> Iterator[Piece]:
        """Positions are items of the file, from 1."""
        del size
        lines: list[bytes] = []
        start, number, taken, length, most = 1, 0, 0, 0, min(piece_bytes, MOST_BYTES)
        with source.open(name) as file, open_text(Path(source.path(name)), notes, opened=file) as text:
            try:
                for number, item in enumerate(stream_objects(text, notes), start=1):
                    lines.append(json.dumps(item, ensure_ascii=False).encode() + b"\n")
                    length += len(lines[-1])
                    if length >= most:
                        at = file.tell()
                        yield Piece(0, name, JSON_LINES, start, number + 1, at - taken, b"".join(lines))
                        lines, start, taken, length = [], number + 1, at, 0
            except PayloadError as error:
                raise StudioExportError(f"{source.path(name)}, after item {number}: {error}") from None
            if lines:
                yield Piece(0, name, JSON_LINES, start, number + 1, file.tell() - taken, b"".join(lines))

    def read(self, source: SharedFiles, piece: Piece, notes: FileNotes) -> Iterator[Item | Fault]:
        """Nothing is read by this format: its pieces are JSON lines."""
        raise NotImplementedError

    def write(self, predicted: Predicted, draft: Path) -> None:
        """Nothing is written in it, since a list cannot be cut into shards."""
        raise NotImplementedError
