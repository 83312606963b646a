"""JSON lines: one task a line. A file is cut without being read: a line belongs to the piece in which it begins."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, ClassVar

from ....errors import PayloadError
from ....labelstudio.files.export_file import with_prediction
from ....labelstudio.files.notes import FileNotes
from ....labelstudio.files.text import GZIP
from ....labelstudio.json_stream import json_decoder
from ....storage.shared_files import SharedFiles
from .base import BulkFormat, Fault, Item, Piece, Predicted

__all__: list[str] = []

ENDINGS = (".jsonl", ".ndjson")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 64_000_000
BYTES_AT_ONCE = 1 << 20


class JsonLines(BulkFormat):
    """Tasks, or plain objects that are taken as their data."""

    name: ClassVar[str] = "jsonl"

    def suits(self, name: str, head: bytes) -> bool:
        """By the ending of the name, unless it is packed or a list, or because the first line is a whole object."""
        text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
        if b"\0" in head or head.startswith(GZIP) or text.startswith(b"["):
            return False
        line, newline, _ = text.partition(b"\n")
        is_object = bool(newline) and not isinstance(_LineReader(FileNotes()).item(line, ""), Fault)
        return name.lower().endswith(ENDINGS) or is_object

    def cut(self, source: SharedFiles, name: str, size: int, piece_bytes: int, notes: FileNotes) -> Iterator[Piece]:
        """Positions are bytes."""
        del source, notes
        for start in range(0, size, piece_bytes):
            end = min(start + piece_bytes, size)
            yield Piece(0, name, self.name, start, end, end - start)

    def read(self, source: SharedFiles, piece: Piece, notes: FileNotes) -> Iterator[Item | Fault]:
        """Blank lines are nobody's tasks."""
        reader, file_name = _LineReader(notes), piece.file or source.url
        if piece.text:
            for number, line in enumerate(io.BytesIO(piece.text), start=piece.start):
                yield reader.item(line, f"{file_name}, item {number}")
            return
        with source.open(piece.file) as file:
            at = piece.start
            if at > 0:  # the line that began before belongs to the piece before
                file.seek(at - 1)
                at += _skip_line(file) - 1
            while at < piece.end and (line := file.readline(LONGEST_LINE)):
                where = f"{file_name}, at byte {at}"
                at += len(line)
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    at += _skip_line(file)
                    yield Fault(where, f"a line longer than {LONGEST_LINE:,} bytes")
                elif line.strip():
                    yield reader.item(line, where)

    def write(self, predicted: Predicted, draft: Path) -> None:
        """As Label Studio imports it."""
        with draft.open("w", encoding="utf-8", newline="") as file:
            for item, prediction in predicted:
                file.write(json.dumps(with_prediction(item, prediction), ensure_ascii=False) + "\n")


def _skip_line(file: IO[bytes]) -> int:
    """Read to the end of a line; return how many bytes that took."""
    taken = 0
    while part := file.readline(BYTES_AT_ONCE):
        taken += len(part)
        if part.endswith(b"\n"):
            break
    return taken


class _LineReader:
    def __init__(self, notes: FileNotes) -> None:
        self._decode = json_decoder(notes)

    def item(self, line: bytes, where: str) -> Item | Fault:
        """Return the task that a line holds."""
        try:
            found = self._decode(line.removeprefix(BYTE_ORDER_MARK).decode())
        except UnicodeDecodeError:
            return Fault(where, "no UTF-8 text")
        except PayloadError as error:
            return Fault(where, str(error))
        if not isinstance(found, dict):
            return Fault(where, f"no object: {str(found)[:40]!r}")
        return found if isinstance(found.get("data"), dict) else {"data": found}
