"""Read the records of Label Studio's flat exports (CSV, TSV, JSON_MIN) without interpreting them."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import StudioExportError
from .export_file import read_items
from .notes import FileNotes
from .text import name_without_gz, open_text
from .values import shown_names

__all__ = ["FlatFile"]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LONGEST_CELL = 2**31 - 1


class FlatFile:
    """A file that may be a flat export.

    Attributes:
        is_table: True for CSV and TSV files, judged by the file's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delimiter = DELIMITERS.get(name_without_gz(path).suffix.lower(), "")
        self.is_table = bool(self._delimiter)

    def is_flat(self) -> bool:
        """True for a table, and for JSON_MIN, judged by its first item.

        Raises:
            StudioExportError: the file is none of these, and no JSON list of objects either.
        """
        if self.is_table:
            return True
        first = next((item for _, item in islice(read_items(self.path), 1)), {})
        is_task = isinstance(first.get("data"), dict) and isinstance(first.get("annotations"), list)
        return "annotation_id" in first and not is_task

    def records(self, notes: FileNotes | None = None) -> Iterator[Mapping[str, Any]]:
        """Yield every record, in constant memory. The cells of a table are strings; JSON_MIN values have types.

        Raises:
            StudioExportError: the file is missing, not text, or not such an export; raised when the reading gets there.
        """
        if self.is_table:
            yield from self._rows(notes)
        else:
            yield from (item for _, item in read_items(self.path, notes))

    def _rows(self, notes: FileNotes | None) -> Iterator[Mapping[str, Any]]:
        csv.field_size_limit(LONGEST_CELL)
        line = 1
        with open_text(self.path, notes) as source:
            reader = csv.reader(source, delimiter=self._delimiter, strict=True)
            try:
                header = self._checked_header(next(reader, []))
                line = reader.line_num + 1
                for cells in reader:
                    line, begins = reader.line_num + 1, line
                    if len(cells) == len(header):
                        yield dict(zip(header, cells, strict=True))
                    elif cells:
                        raise StudioExportError(
                            f"{self.path}, line {begins}: {len(cells)} cells found, and {len(header)} columns; export "
                            "it again"
                        )
            except csv.Error as error:
                raise StudioExportError(
                    f"{self.path}, line {line}: no record of a table ({error}); a quote may be missing: export it again"
                ) from None

    def _checked_header(self, header: list[str]) -> list[str]:
        if len(header) < 2:
            raise StudioExportError(
                f"{self.path}: the columns {shown_names(header)} found; wanted a header with the fields of the tasks "
                "and the controls, as Label Studio's Export > CSV writes it"
            )
        repeated = [name for name, count in Counter(header).items() if count > 1]
        if repeated:
            raise StudioExportError(
                f"{self.path}: {shown_names(repeated[:1])!r} heads several columns; rename all but one"
            )
        return header
