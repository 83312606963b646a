"""`datasets`: a folder of Parquet files that Hugging Face `datasets` loads with its features."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batches import in_batches
from ..domain.example import Row
from ..tasks import ServedControl
from .base import Exporter, ExportRequest, RowCounter
from .heads.base import AnswerColumn
from .limits import encodable

if TYPE_CHECKING:
    import pyarrow as pa

__all__: list[str] = []

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

    The layout follows the library's "Structure your repository", the metadata key `huggingface` its Parquet writer.
    """

    name = "datasets"
    description = (
        "A folder of Parquet files that Hugging Face `datasets` loads with features: ClassLabel, lists, spans."
    )
    limits = "Annotators, weights and provenance are left out; a control that a row does not answer is null."
    suffix = ".parquet"
    is_folder = True

    def file_of(self, split: str) -> str:
        """Return the path of a split's file within the folder."""
        return f"data/{split}-00000-of-00001.parquet"

    def write(self, rows: Iterable[Row], path: Path, request: ExportRequest) -> RowCounter:
        """Write the rows in row groups, one group at a time in memory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {_column_name(served, request): AnswerColumn.of(served) for served in request.controls}
        schema = _schema(request, columns)
        counter = RowCounter()
        records = counter.convert(rows, lambda row: _record(row, request, columns))
        writer: Any
        with pq.ParquetWriter(path, schema) as writer:  # type: ignore[no-untyped-call]
            for group in in_batches(records, ROWS_PER_GROUP):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
        return counter

    def finish(self, folder: Path) -> None:
        """Add the dataset card."""
        splits = [file.name.partition("-")[0] for file in sorted((folder / "data").iterdir())]
        files = "".join(f"  - split: {split}\n    path: data/{split}-*.parquet\n" for split in splits)
        (folder / "README.md").write_text(CARD.format(files=files), encoding="utf-8")


def _column_name(served: ServedControl, request: ExportRequest) -> str:
    """Return the control's name, unless the row's own columns have it."""
    return f"{served.name}_target" if served.name in {"id", "task_id", *request.fields} else served.name


def _schema(request: ExportRequest, columns: Mapping[str, AnswerColumn]) -> "pa.Schema":
    import pyarrow as pa

    features = {"id": _value("string"), "task_id": _value("int64")}
    features |= {field: _value("string") for field in request.fields}
    features |= {name: column.feature() for name, column in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, _arrow_type(feature)) for name, feature in features.items()], metadata=metadata)


def _arrow_type(feature: Any) -> "pa.DataType":
    """Return how Parquet stores a feature as `datasets` describes it; a label is stored by its number."""
    import pyarrow as pa

    if isinstance(feature, list):
        return pa.list_(_arrow_type(feature[0]))
    if "_type" not in feature:
        return pa.struct([(name, _arrow_type(each)) for name, each in feature.items()])
    if feature["_type"] == "Sequence":
        return pa.list_(_arrow_type(feature["feature"]))
    return pa.int64() if feature["_type"] == "ClassLabel" else pa.type_for_alias(feature["dtype"])


def _record(row: Row, request: ExportRequest, columns: Mapping[str, AnswerColumn]) -> dict[str, Any]:
    targets = {name: row.targets.get(column.control) for name, column in columns.items()}
    answers = {name: None if target is None else columns[name].value(target) for name, target in targets.items()}
    texts = {field: encodable(row.input.get(field, "")) for field in request.fields}
    return {"id": row.id, "task_id": row.task_id, **texts, **answers}


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}
