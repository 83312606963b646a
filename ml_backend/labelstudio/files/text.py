"""Open the text of a file that people give, packed with gzip or not, in any encoding of Unicode."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...errors import StudioExportError
from .notes import FileNotes

__all__ = ["GZIP", "name_without_gz", "open_text"]

HEAD_BYTES = 512
GZIP = b"\x1f\x8b"
TAR, TAR_AT = b"ustar", 257
NO_TEXT = {
    b"PK\x03\x04": "a ZIP archive, or a workbook of a spreadsheet",
    b"BZh": "a file packed with bzip2",
    b"\xfd7zXZ": "a file packed with xz",
    b"\x28\xb5\x2f\xfd": "a file packed with zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF file",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a SQLite database",
}
"""Kinds of files that people often mistake for exports, by their first bytes."""


@contextmanager
def open_text(
    path: Path, notes: FileNotes | None = None, *, opened: io.BufferedReader | None = None
) -> Iterator[IO[str]]:
    """Open the text of a file as a stream, with its line ends unchanged.

    The first bytes decide whether it is gzip and which encoding it has, whatever the file's name.

    Args:
        opened: the file, where it is none of this machine; `path` is what messages call it then.

    Raises:
        StudioExportError: the file cannot be read, is not text, or is damaged; raised when the reading gets there.
    """
    encoding = "UTF-8"
    try:
        with opened or path.open("rb") as file, _unpacked(file, notes or FileNotes()) as source:
            head = source.peek(HEAD_BYTES)[:HEAD_BYTES]
            _refuse_what_is_no_text(path, head)
            encoding = json.detect_encoding(head)
            with io.TextIOWrapper(source, encoding, newline="") as text:
                yield text
    except UnicodeDecodeError as error:
        undecodable = error.object[error.start : error.end].hex(" ")
        raise StudioExportError(
            f"{path}: bytes found that are no {encoding} text ({undecodable}); save it as UTF-8"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StudioExportError(f"{path}: a damaged gzip file, or one cut short ({error}); get it again") from None
    except OSError as error:
        raise StudioExportError(f"{path}: cannot be read ({error.strerror}); give the path of an export") from None


def name_without_gz(path: Path) -> Path:
    """Return the file's name without the ending `.gz`."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _unpacked(file: io.BufferedReader, notes: FileNotes) -> io.BufferedReader | gzip.GzipFile:
    notes.is_packed = file.peek(len(GZIP)).startswith(GZIP)
    return gzip.GzipFile(fileobj=file) if notes.is_packed else file


def _refuse_what_is_no_text(path: Path, head: bytes) -> None:
    kind = next((name for magic, name in NO_TEXT.items() if head.startswith(magic)), None)
    if head[TAR_AT:].startswith(TAR):
        kind = "a tar archive"
    if kind:
        raise StudioExportError(
            f"{path}: {kind} found; wanted text: unpack it or save it as JSON or CSV, and give that"
        )
