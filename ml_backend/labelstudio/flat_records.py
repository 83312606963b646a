"""Read the records of Label Studio's flat exports (CSV, TSV, JSON_MIN) without interpreting them."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import StudioExportError
from .export_file import read_items
from .file_notes import FileNotes
from .file_text import name_without_gz, open_text
from .given_values import shown_names

__all__ = ["Record", "is_flat_export", "is_table", "read_records"]

Record: TypeAlias = Mapping[str, Any]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LONGEST_CELL = 2**31 - 1


def is_table(path: Path) -> bool:
    """True for CSV and TSV files, judged by the file's name."""
    return _suffix(path) in DELIMITERS


def is_flat_export(path: Path) -> bool:
    """True for a table, and for JSON_MIN, judged by its first item.

    Raises:
        StudioExportError: the file is none of these, and no JSON list of objects either.
    """
    if is_table(path):
        return True
    first = next((item for _, item in islice(read_items(path), 1)), {})
    is_task = isinstance(first.get("data"), dict) and isinstance(first.get("annotations"), list)
    return "annotation_id" in first and not is_task


def read_records(path: Path, notes: FileNotes | None = None) -> Iterator[Record]:
    """Yield every record, in constant memory. The cells of a table are strings; JSON_MIN values have types.

    Raises:
        StudioExportError: the file is missing, not text, or not such an export; raised when the reading gets there.
    """
    if is_table(path):
        yield from _read_table(path, notes)
    else:
        yield from (item for _, item in read_items(path, notes))


def _read_table(path: Path, notes: FileNotes | None) -> Iterator[Record]:
    csv.field_size_limit(LONGEST_CELL)
    line = 1
    with open_text(path, notes) as source:
        reader = csv.reader(source, delimiter=DELIMITERS[_suffix(path)], strict=True)
        try:
            header = _checked_header(path, next(reader, []))
            line = reader.line_num + 1
            for cells in reader:
                line, begins = reader.line_num + 1, line
                if len(cells) == len(header):
                    yield dict(zip(header, cells, strict=True))
                elif cells:
                    raise StudioExportError(
                        f"{path}, line {begins}: {len(cells)} cells found, and {len(header)} columns; export it again"
                    )
        except csv.Error as error:
            raise StudioExportError(
                f"{path}, line {line}: no record of a table ({error}); a quote may be missing: export it again"
            ) from None


def _checked_header(path: Path, header: list[str]) -> list[str]:
    if len(header) < 2:
        raise StudioExportError(
            f"{path}: the columns {shown_names(header)} found; wanted a header with the fields of the tasks and the "
            "controls, as Label Studio's Export > CSV writes it"
        )
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise StudioExportError(f"{path}: {shown_names(repeated[:1])!r} heads several columns; rename all but one")
    return header


def _suffix(path: Path) -> str:
    return name_without_gz(path).suffix.lower()
