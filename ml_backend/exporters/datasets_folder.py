"""`datasets`: a folder of Parquet files that Hugging Face `datasets` loads with its features."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batches import in_batches
from ..domain.example import Row, Span, Target
from ..domain.model import HeadKind
from ..tasks import ServedControl
from .base import Exporter, ExportReport, ExportRequest, NotCarried, RowCounter, encodable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DatasetsFolder"]

ROWS_PER_GROUP = 10_000
CARD = """---
configs:
- config_name: default
  data_files:
{files}---

Reviewed rows, exported by labelloop. `datasets.load_dataset` with the path of this folder gives them with their
features: labels are `ClassLabel`, and entities count Unicode code points, the end exclusive.
"""


class DatasetsFolder(Exporter):
    """`data/<split>-00000-of-00001.parquet` and a dataset card. The features stand in the Parquet schema.

    The layout and the metadata key `huggingface` are those of the library's "Structure your repository" and of its
    own Parquet writer.
    """

    name = "datasets"
    description = (
        "A folder of Parquet files that Hugging Face `datasets` loads with features: ClassLabel, lists, spans."
    )
    limits = "Annotators, weights and provenance are left out; a control that a row does not answer is null."
    suffix = ".parquet"
    is_folder = True

    def file_of(self, split: str) -> str:
        """Path of a split's file within the folder."""
        return f"data/{split}-00000-of-00001.parquet"

    def write(self, rows: Iterable[Row], path: Path, wish: ExportRequest) -> ExportReport:
        """Write the rows in row groups, one group at a time in memory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {_column(served, wish): _Answers(served) for served in wish.controls}
        schema = _schema(wish, columns)
        tally = RowCounter()
        records = tally.made(rows, lambda row: _record(row, wish, columns))
        writer: Any
        with pq.ParquetWriter(path, schema) as writer:  # type: ignore[no-untyped-call]
            for group in in_batches(records, ROWS_PER_GROUP):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
        return tally.report()

    def finish(self, folder: Path) -> None:
        """Add the dataset card."""
        splits = [file.name.partition("-")[0] for file in sorted((folder / "data").iterdir())]
        files = "".join(f"  - split: {split}\n    path: data/{split}-*.parquet\n" for split in splits)
        (folder / "README.md").write_text(CARD.format(files=files), encoding="utf-8")


class _Answers:
    """A control's column."""

    def __init__(self, served: ServedControl) -> None:
        self.name = served.name
        self._head = served.kind.head
        self._numbers = {label: number for number, label in enumerate(served.control.label_values)}

    def value(self, target: Target) -> Any:
        """The answer as Parquet has it.

        Raises:
            NotCarried: it holds a label that the config lacks.
        """
        if not self._numbers:
            return encodable(str(target))
        try:
            if isinstance(target, str):
                return self._numbers[target]
            return [
                {"start": part.start, "end": part.end, "label": self._numbers[part.label]}
                if isinstance(part, Span)
                else self._numbers[part]
                for part in target
            ]
        except KeyError:
            raise NotCarried(f"a label of {self.name} that the label config lacks") from None

    def type(self) -> "pa.DataType":
        """Its Parquet type."""
        import pyarrow as pa

        if not self._numbers:
            return pa.string()
        if self._head is HeadKind.TAGS:
            return pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.int64())]))
        return pa.list_(pa.int64()) if self._head is HeadKind.SIGMOID else pa.int64()

    def feature(self) -> Any:
        """Its type, as `datasets` writes it into the schema."""
        if not self._numbers:
            return _value("string")
        labels = {"names": list(self._numbers), "_type": "ClassLabel"}
        if self._head is HeadKind.TAGS:
            return [{"start": _value("int32"), "end": _value("int32"), "label": labels}]
        return {"feature": labels, "_type": "Sequence"} if self._head is HeadKind.SIGMOID else labels


def _column(served: ServedControl, wish: ExportRequest) -> str:
    """The control's name, unless the row's own columns have it."""
    return f"{served.name}_target" if served.name in {"id", "task_id", wish.field} else served.name


def _schema(wish: ExportRequest, columns: Mapping[str, _Answers]) -> "pa.Schema":
    import pyarrow as pa

    features = {"id": _value("string"), "task_id": _value("int64"), wish.field: _value("string")}
    types = {"id": pa.string(), "task_id": pa.int64(), wish.field: pa.string()}
    metadata = {"info": {"features": features | {name: answers.feature() for name, answers in columns.items()}}}
    fields = types | {name: answers.type() for name, answers in columns.items()}
    return pa.schema(list(fields.items()), metadata={"huggingface": json.dumps(metadata)})


def _record(row: Row, wish: ExportRequest, columns: Mapping[str, _Answers]) -> dict[str, Any]:
    answers: Iterator[tuple[str, Any]] = (
        (name, answers.value(row.targets[answers.name]) if answers.name in row.targets else None)
        for name, answers in columns.items()
    )
    return {"id": row.id, "task_id": row.task_id, wish.field: encodable(wish.text(row)), **dict(answers)}


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}
