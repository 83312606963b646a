"""Label Studio's flat exports (CSV, TSV, JSON_MIN): one record per annotation, answers under the controls' names.

They hold less than a JSON export: no skipped annotations, no pre-labels, no ground truth; and the label config of the
project must say which columns are answers.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from ..domain.annotation import Annotation, Region, Task
from ..domain.label_config import Control, LabelConfig
from ..errors import StudioExportError
from .export_file import read_items

__all__ = ["integer", "is_flat_export", "read_flat_export", "read_records"]

DIALECTS = {".csv": ",", ".tsv": "\t"}
ABOUT_ANNOTATION = frozenset({"id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement"})
LONGEST_CELL = 2**31 - 1


def is_flat_export(path: Path) -> bool:
    """True for a CSV or TSV file, by its name, and for JSON_MIN, by its first item.

    Raises:
        StudioExportError: it is neither of them and no JSON list of objects either.
    """
    if path.suffix.lower() in DIALECTS:
        return True
    first = next((item for _, item in islice(read_items(path), 1)), {})
    return "annotation_id" in first and "annotations" not in first and not isinstance(first.get("data"), dict)


def read_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The records as they stand in the file, in flat memory.

    Raises:
        StudioExportError: not there, not UTF-8, or not such an export; raised when the reading gets there.
    """
    delimiter = DIALECTS.get(path.suffix.lower())
    if delimiter is None:
        yield from (item for _, item in read_items(path))
        return
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source, delimiter=delimiter, strict=True)
            if not reader.fieldnames or len(reader.fieldnames) < 2:
                raise StudioExportError(
                    f"{path}: the columns {reader.fieldnames or 'none'} found; wanted a header with the fields of the "
                    "tasks and the controls, as Label Studio's Export > CSV writes it"
                )
            for record in reader:
                if None in record or None in record.values():
                    raise StudioExportError(
                        f"{path}, line {reader.line_num}: another number of cells than the header has; export it anew"
                    )
                yield record
    except (csv.Error, UnicodeDecodeError) as error:
        raise StudioExportError(f"{path}: not a table in UTF-8 ({error}); export it anew") from None
    except OSError as error:
        raise StudioExportError(f"{path}: cannot be read ({error.strerror}); give the path of an export") from None


def read_flat_export(path: Path, config: LabelConfig) -> Iterator[Task]:
    """Every task with its annotations, in flat memory. Records of a task stand next to one another.

    A record without an id is a task of its own, numbered from 1.

    Raises:
        StudioExportError: as `read_records`, or no column is a control of the config.
    """
    numbered = enumerate(read_records(path), start=1)
    for task_id, group in groupby(numbered, key=lambda found: integer(found[1].get("id"), found[0])):
        records = list(group)
        names = {control.name for control in config.controls}
        if not names & records[0][1].keys():
            raise StudioExportError(
                f"{path}: the columns {', '.join(records[0][1])} found; wanted an answer to one of the label config's "
                f"controls, {', '.join(sorted(names))}: is it the config of this project?"
            )
        fields = records[0][1].keys() - ABOUT_ANNOTATION - names
        data = {name: records[0][1][name] for name in sorted(fields)}
        yield Task(task_id, data, tuple(_annotation(number, record, config) for number, record in records))


def _annotation(number: int, record: Mapping[str, Any], config: LabelConfig) -> Annotation:
    result = [region for control in config.controls for region in _regions(control, record.get(control.name))]
    annotator = record.get("annotator")
    return Annotation(
        id=integer(record.get("annotation_id"), number),
        annotator="unknown" if annotator in (None, "") else str(annotator),
        result=tuple(result),
        lead_time_s=_seconds(record.get("lead_time")),
        created_at=_text(record.get("created_at")),
        updated_at=_text(record.get("updated_at")),
    )


def _regions(control: Control, cell: object) -> Iterator[Region]:
    """What a cell stands for: Label Studio writes a single value plainly and several ones as JSON."""
    kind = control.tag.lower()
    values = _values(cell, kind)
    for value in values:
        if isinstance(value, str):
            key = "text" if kind == "textarea" else kind
            value = {key: [value]}  # noqa: PLW2901 (the plain form of the same)
        if isinstance(value, dict):
            yield {"from_name": control.name, "to_name": control.object.name, "type": kind, "value": value}


def _values(cell: object, kind: str) -> list[Any]:
    if cell in (None, ""):
        return []
    if isinstance(cell, str) and cell.startswith(("{", "[")):
        try:
            parsed = json.loads(cell)
        except ValueError:
            return [cell]
        # Free text may be JSON itself; what Label Studio wraps holds the answer under `text`.
        if kind != "textarea" or _is_wrapped(parsed):
            cell = parsed
    return cell if isinstance(cell, list) else [cell]


def _is_wrapped(parsed: object) -> bool:
    found = parsed if isinstance(parsed, list) else [parsed]
    return bool(found) and all(isinstance(each, dict) and isinstance(each.get("text"), list) for each in found)


def integer(value: object, otherwise: int) -> int:
    """The whole number that a cell or a JSON value holds, if any."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() else otherwise


def _seconds(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return str(value) if value else None
