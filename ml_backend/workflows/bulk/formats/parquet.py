"""Parquet: a row per task. A file is cut by its row numbers, which its footer knows."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

from ....batches import in_batches
from ....errors import StudioExportError
from ....labelstudio.files.notes import FileNotes
from ....labelstudio.predictions import prediction_to_json
from ....storage.shared_files import SharedFiles
from .base import BulkFormat, Fault, Item, Piece, Predicted

__all__: list[str] = []

MAGIC = b"PAR1"
READ_AT_ONCE = 512
WRITTEN_AT_ONCE = 4096


class Parquet(BulkFormat):
    """Columns are a task's data, or one of them is a structure `data`.

    Predictions are the columns `task` (the task as JSON, without predictions), `result` (the regions as JSON), `score`
    and `model_version`.
    """

    name: ClassVar[str] = "parquet"

    def suits(self, name: str, head: bytes) -> bool:
        """By its first bytes."""
        del name
        return head.startswith(MAGIC)

    def cut(self, source: SharedFiles, name: str, size: int, piece_bytes: int, notes: FileNotes) -> Iterator[Piece]:
        """Positions are rows, from 0."""
        del notes
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with source.open(name) as file:
                rows = pq.ParquetFile(file).metadata.num_rows  # type: ignore[no-untyped-call]
        except pa.ArrowException as error:
            raise StudioExportError(f"{source.path(name)}: a damaged Parquet file ({error}); get it again") from None
        step = max(rows * piece_bytes // size, 1)
        for start in range(0, rows, step):
            end = min(start + step, rows)
            yield Piece(0, name, self.name, start, end, size * (end - start) // rows)

    def read(self, source: SharedFiles, piece: Piece, notes: FileNotes) -> Iterator[Item | Fault]:
        """Row groups that lie outside the piece are not read."""
        del notes
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with source.open(piece.file) as file:
                table = pq.ParquetFile(file)  # type: ignore[no-untyped-call]
                counts = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
                starts = [0, *accumulate(counts)]
                groups = [
                    group
                    for group, count in enumerate(counts)
                    if starts[group] < piece.end and starts[group] + count > piece.start
                ]
                at = starts[groups[0]]
                for batch in table.iter_batches(READ_AT_ONCE, row_groups=groups):  # type: ignore[no-untyped-call]
                    start, end = max(piece.start, at), min(piece.end, at + batch.num_rows)
                    if start < end:
                        yield from map(_item, batch.slice(start - at, end - start).to_pylist())
                    at += batch.num_rows
                    if at >= piece.end:
                        return
        except pa.ArrowException as error:
            raise StudioExportError(
                f"{source.path(piece.file)}: a damaged Parquet file ({error}); get it again"
            ) from None

    def write(self, predicted: Predicted, draft: Path) -> None:
        """Write some thousand rows to a row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, number = pa.string(), pa.float64()
        schema = pa.schema([("task", text), ("result", text), ("score", number), ("model_version", text)])
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:  # type: ignore[no-untyped-call]
            for batch in in_batches(predicted, WRITTEN_AT_ONCE):
                rows = [
                    {
                        "task": _dumped({key: value for key, value in item.items() if key != "predictions"}),
                        "result": _dumped(prediction_to_json(prediction)["result"]),
                        "score": prediction.score,
                        "model_version": prediction.model_version,
                    }
                    for item, prediction in batch
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _item(row: Mapping[str, Any]) -> Item:
    plain = {str(name): _plain(value) for name, value in row.items()}
    return plain if isinstance(plain.get("data"), dict) else {"data": plain}


def _plain(value: Any) -> Any:
    """Return the value as JSON has it: null for what is no number, text for times, decimals and bytes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if value is None or isinstance(value, str | int) else str(value)
